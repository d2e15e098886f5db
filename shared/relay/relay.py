"""The relay: copies a service's changes to the log, at least once, each record's versions in order.

What is unpublished is a flag on the change, no cursor: ids are given before the commit, so a cursor could pass over a
change that commits late. A crash between the log and the flag publishes again, with the same event ids.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import msgspec
import structlog
from pymongo import UpdateOne
from pymongo.client_session import ClientSession
from pymongo.errors import OperationFailure, PyMongoError
from pymongo.read_concern import ReadConcern

from shared.errors import KechuangError
from shared.events.topics import topic_of
from shared.health import beat
from shared.log.interface import Item, Log
from shared.mongo import Client, Document, transact
from shared.relay.lease import Fenced, Lease
from shared.telemetry import counter, gauge
from shared.wake import Wake

POLL_S = 1.0  # the safety net beside the change stream
STANDBY_S = 0.5  # how often a relay without the lease asks for it
FIRST_BACK_OFF_S, LAST_BACK_OFF_S = 0.1, 5.0
BATCH = 1_000  # changes in one transaction
BATCH_BYTES = 8 << 20  # of events
INDEXES = {  # both hold the unpublished changes only, so they are as small as the backlog
    "unpublished": [("published", 1), ("_id", 1)],
    "unpublished_of_record": [("record_id", 1), ("version", 1)],
}
POSITION = "event-position"
SAME_INDEX = (85, 86)  # IndexOptionsConflict, IndexKeySpecsConflict: someone made it under another name

EventsOf = Callable[[Document, str], Sequence[dict[str, Any]]]
RecordKey = tuple[str, str]
logger = structlog.get_logger(__name__)
published_total = counter("kechuang_relay_published_total", "Changes that were published.", ["service"])
held_back = gauge("kechuang_relay_held_back_records", "Records whose changes cannot be made into events.", ["service"])


class Relay:
    """The relay of one service. `step` may be called by the lease's holder only; `run` sees to that."""

    def __init__(
        self, service: str, client: Client, database: str, log: Log, lease: Lease, *,
        events_of: EventsOf | None = None, batch: int = BATCH,
    ) -> None:
        self.service = service
        self.topic = topic_of(service)
        self.log = log
        self.lease = lease
        self.batch = batch
        self._client = client
        self._database = client.get_database(database)
        self._changes = self._database["changes"]
        # Majority: nothing goes out that a failing primary could still take back.
        self._committed = self._changes.with_options(read_concern=ReadConcern("majority"))
        self._counters = self._database["counters"]
        self._events_of = events_of or _envelope()
        self._encode = msgspec.json.Encoder(enc_hook=_plain).encode
        self._held: set[RecordKey] = set()
        self._reported: set[str] = set()

    def prepare(self) -> None:
        """Make the indexes and the counter. Call at start, never inside a transaction."""
        for name, keys in INDEXES.items():
            try:
                self._changes.create_index(keys, name=name, partialFilterExpression={"published": False})
            except OperationFailure as present:
                if present.code not in SAME_INDEX:
                    raise
        self._counters.update_one({"_id": POSITION}, {"$setOnInsert": {"value": 0}}, upsert=True)

    def run(self, stop: threading.Event) -> None:
        """Publish until told to stop, whenever this process holds the lease."""
        wake = Wake(self._changes, [{"$match": {"operationType": "insert"}}])
        back_off = FIRST_BACK_OFF_S
        prepared = False
        try:
            while not stop.is_set():
                beat()
                try:
                    if not prepared:
                        self.prepare()
                        prepared = True
                    self._turn(wake, stop)
                    back_off = FIRST_BACK_OFF_S
                except Fenced:
                    logger.info("another relay has taken over", service=self.service)
                except (KechuangError, PyMongoError) as away:
                    if isinstance(away, KechuangError) and not away.retriable:
                        raise
                    logger.warning("waiting for the store or the log", service=self.service, reason=type(away).__name__)
                    stop.wait(back_off)
                    back_off = min(back_off * 2, LAST_BACK_OFF_S)
        finally:
            wake.close()
            self._let_go()

    def step(self) -> int:
        """Publish one batch; how many changes. Raises Fenced when another holder has taken over."""
        changes = self._next()
        ready, items = self._items(changes)
        if ready:
            self.log.append(self.topic, items, fence=self.lease)
            self._mark(ready)
            published_total.labels(self.service).inc(len(ready))
        return len(ready)

    def drain(self) -> int:
        """Publish until nothing is left; how many changes."""
        total = 0
        while found := self.step():
            total += found
        return total

    def _turn(self, wake: Wake, stop: threading.Event) -> None:
        if not self.lease.keep():
            stop.wait(STANDBY_S)
        elif not self.step():
            self._held.clear()  # to be tried again
            wake.wait(POLL_S)

    def _let_go(self) -> None:
        try:
            self.lease.release()
        except PyMongoError as away:
            logger.info("the lease will end by itself", service=self.service, reason=type(away).__name__)

    def _next(self) -> list[Document]:
        """Unpublished changes, oldest first, none before an earlier version of its record."""
        found = list(self._committed.find({"published": False}).sort("_id", 1).limit(self.batch))
        if broken := _with_gaps(found):
            # Read after the batch: a version that was visible there has its predecessors committed by now.
            return list(in_version_order(found, self._skipped(found, broken)))
        return list(in_version_order(found, []))

    def _skipped(self, found: list[Document], records: set[RecordKey]) -> list[Document]:
        """Unpublished changes of `records` that are earlier than one in `found` but not among them."""
        query = {"published": False, "record_id": {"$in": list({record_id for _, record_id in records})}}
        have = {change["_id"] for change in found}
        newest = _newest(found)
        skipped = [
            place["_id"] for place in self._committed.find(query, {"kind": 1, "record_id": 1, "version": 1})
            if place["_id"] not in have and place["version"] < newest.get(_record(place), 0)
        ]
        return list(self._committed.find({"_id": {"$in": skipped}})) if skipped else []

    def _items(self, changes: list[Document]) -> tuple[list[Document], list[Item]]:
        """The changes that can go out now, and their entries."""
        ready: list[Document] = []
        items: list[Item] = []
        size = 0
        for change in changes:
            if _record(change) in self._held:
                continue
            made = self._made(change)
            if made is None:
                continue
            size += sum(len(value) for _, value in made)
            if ready and size > BATCH_BYTES:
                break
            ready.append(change)
            items += made
        held_back.labels(self.service).set(len(self._held))
        return ready, items

    def _made(self, change: Document) -> list[Item] | None:
        """A change's entries; None when it cannot be made into events, which holds back its record and no other."""
        try:
            return [(event["partitionkey"], self._encode(event)) for event in self._events_of(change, self.service)]
        except (KechuangError, ValueError, TypeError, LookupError, AttributeError, RecursionError) as wrong:
            self._held.add(_record(change))
            self._report(change, wrong)
            return None

    def _report(self, change: Document, wrong: Exception) -> None:
        identifier = str(change["_id"])
        if identifier not in self._reported:
            self._reported.add(identifier)
            logger.error(
                "a change cannot be made into events", service=self.service, change=identifier, reason=type(wrong).__name__
            )

    def _mark(self, ready: list[Document]) -> None:
        def work(session: ClientSession) -> None:
            self.lease.check_in(session)
            before = self._counters.find_one_and_update(
                {"_id": POSITION}, {"$inc": {"value": len(ready)}}, upsert=True, session=session
            )
            first = 1 + int(before["value"] if before else 0)
            done = self._changes.bulk_write(
                [UpdateOne({"_id": change["_id"], "published": False}, {"$set": {"published": True, "position": position}})
                 for position, change in enumerate(ready, first)],
                ordered=False, session=session,
            )
            if done.modified_count != len(ready):
                raise Fenced("another relay has published these changes")

        transact(self._client, work)


def in_version_order(batch: Sequence[Document], missing: Sequence[Document]) -> Iterator[Document]:
    """`batch` in its own order, but each record's changes by version; `missing` earlier versions come before them."""
    waiting: dict[RecordKey, list[Document]] = {}
    for change in batch:
        waiting.setdefault(_record(change), []).append(change)
    extra: dict[RecordKey, int] = {}
    for change in missing:
        waiting[_record(change)].append(change)
        extra[_record(change)] = extra.get(_record(change), 0) + 1
    for changes in waiting.values():
        changes.sort(key=lambda change: int(change["version"]), reverse=True)
    for change in batch:
        record = _record(change)
        for _ in range(1 + extra.pop(record, 0)):
            yield waiting[record].pop()


def _with_gaps(batch: Sequence[Document]) -> set[RecordKey]:
    """Records of which the batch does not hold every version from the first to its newest."""
    count: dict[RecordKey, int] = {}
    for change in batch:
        count[_record(change)] = count.get(_record(change), 0) + 1
    return {record for record, version in _newest(batch).items() if version != count[record]}


def _newest(batch: Sequence[Document]) -> dict[RecordKey, int]:
    newest: dict[RecordKey, int] = {}
    for change in batch:
        newest[_record(change)] = max(newest.get(_record(change), 0), int(change["version"]))
    return newest


def _record(change: Document) -> RecordKey:
    return change["kind"], change["record_id"]


def _plain(value: Any) -> int:
    """The driver reads amounts of more than 32 bits as its own kind of integer."""
    if isinstance(value, int):
        return int(value)
    raise TypeError(f"{type(value).__name__} has no place in an event")


def _envelope() -> EventsOf:
    from shared.events.envelope import events_of

    return events_of
