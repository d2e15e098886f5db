"""The embedded log: MongoDB collections, for one machine without Kafka.

Each partition of a topic is a collection whose `_id` is the offset, and a counter document. An append takes its
offsets from the counter and inserts in one transaction: the counter is held until the commit, so the order of
commits is the order of offsets, there are no gaps, and a reader never passes over an entry that is still coming.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from pymongo import ReturnDocument, WriteConcern
from pymongo.client_session import ClientSession
from pymongo.collection import Collection
from pymongo.errors import ConnectionFailure, OperationFailure
from pymongo.read_concern import ReadConcern

from shared.errors import TooLarge, Unavailable
from shared.events.topics import COMPACTED
from shared.ids import new_id
from shared.log.interface import Entry, Fence, Item
from shared.log.placement import partition_of
from shared.mongo import Client, Document, transact
from shared.wake import Wake

PARTITIONS = 4
CHUNK_ITEMS, CHUNK_BYTES = 1_000, 4 << 20  # of one transaction; past some 20 MB it can fail
LARGEST_BYTES = 15 << 20  # of one value: a MongoDB document ends at 16 MiB
ALREADY_THERE = (48, 11000)  # NamespaceExists, DuplicateKey
COMPACTION_LAG = 10_000  # the newest offsets of a compacted partition are kept whatever their keys


class EmbeddedLog:
    """See `shared.log.interface.Log`. Never append inside another transaction."""

    def __init__(
        self, client: Client, database: str = "kechuang_log", partitions: int = PARTITIONS, *,
        compaction_lag: int = COMPACTION_LAG,
    ) -> None:
        self._client = client
        # Majority: what has been read can never be rolled back, and the change stream tells of nothing else.
        majority = ReadConcern("majority")
        self._database = client.get_database(database, read_concern=majority, write_concern=WriteConcern("majority"))
        self._topics = self._database["topics"]
        self._ends = self._database["ends"]
        self.members = self._database["members"]  # of consumer groups
        self._default_partitions = partitions
        self._compaction_lag = compaction_lag
        self._known: dict[str, int] = {}
        self._wakes: dict[tuple[str, ...], Wake] = {}
        self._lock = threading.Lock()

    def append(self, topic: str, items: Sequence[Item], fence: Fence | None = None) -> None:
        """See Log. One transaction for each thousand entries. Raises TooLarge for a value of more than 15 MiB."""
        count = self.partitions(topic)
        for key, value in items:
            if len(value) > LARGEST_BYTES:
                raise TooLarge(f"a value of {len(value)} bytes under the key {key!r}")
        for chunk in _chunks(items):
            placed = _by_partition(chunk, count)
            transact(self._client, lambda session, placed=placed: self._write(session, topic, placed, fence))  # type: ignore[misc]

    def read(self, topic: str, partition: int, after_offset: int, limit: int) -> list[Entry]:
        """See Log."""
        if limit <= 0:
            return []
        with reachable():
            found = self._entries(topic, partition).find({"_id": {"$gt": after_offset}}).sort("_id", 1).limit(limit)
            return [Entry(topic, partition, doc["_id"], doc["key"], bytes(doc["value"])) for doc in found]

    def partitions(self, topic: str) -> int:
        """See Log. What was set when the topic was made: another default later must not part a key from its past."""
        if topic not in self._known:
            with reachable():
                self._known[topic] = self._prepare(topic)
        return self._known[topic]

    def end_offsets(self, topic: str) -> dict[int, int]:
        """See Log."""
        count = self.partitions(topic)
        with reachable():
            found = self._ends.find({"_id": {"$in": _counters(topic, count)}})
            ends = {doc["partition"]: int(doc["next"]) for doc in found}
        return {partition: ends.get(partition, 0) for partition in range(count)}

    def identity(self, topic: str) -> str:
        """See Log."""
        self.partitions(topic)
        with reachable():
            found = self._topics.find_one({"_id": topic})
        return str(found["identity"]) if found and "identity" in found else ""

    def wait(self, topics: Sequence[str], timeout_s: float) -> None:
        """See Log."""
        self._wake(tuple(sorted(set(topics)))).wait(timeout_s)

    def close(self) -> None:
        """End the threads that listen; the client stays open."""
        with self._lock:
            for wake in self._wakes.values():
                wake.close()

    def _wake(self, topics: tuple[str, ...]) -> Wake:
        counters = [] if topics in self._wakes else [c for topic in topics for c in _counters(topic, self.partitions(topic))]
        with self._lock:
            if topics not in self._wakes:
                self._wakes[topics] = Wake(self._ends, [{"$match": {"documentKey._id": {"$in": counters}}}])
            return self._wakes[topics]

    def _entries(self, topic: str, partition: int) -> Collection[Document]:
        return self._database[f"{topic}-{partition}"]

    def _prepare(self, topic: str) -> int:
        """Collections and counters; made before the first transaction, since making them inside one can conflict."""
        with _made_by_another():
            self._topics.update_one({"_id": topic}, {"$setOnInsert": {"partitions": self._default_partitions, "identity": new_id()}}, upsert=True)
        found = self._topics.find_one({"_id": topic})
        if found is None:
            raise Unavailable(f"{topic} was dropped while it was opened")
        partitions = int(found["partitions"])
        for partition in range(partitions):
            self._prepare_partition(topic, partition)
        return partitions

    def _prepare_partition(self, topic: str, partition: int) -> None:
        counter = _counter(topic, partition)
        if self._ends.find_one({"_id": counter}) is not None:
            return
        with _made_by_another():
            self._database.create_collection(f"{topic}-{partition}", check_exists=False)
        if topic in COMPACTED:
            self._entries(topic, partition).create_index("key")
        with _made_by_another():
            self._ends.insert_one({"_id": counter, "partition": partition, "next": 0})

    def _write(self, session: ClientSession, topic: str, placed: dict[int, list[Item]], fence: Fence | None) -> None:
        if fence is not None:
            fence.check_in(session)
        for partition, items in sorted(placed.items()):
            first = self._take(session, topic, partition, len(items))
            entries = self._entries(topic, partition).with_options(write_concern=WriteConcern())
            entries.insert_many(
                [{"_id": offset, "key": key, "value": value} for offset, (key, value) in enumerate(items, first)],
                ordered=True, session=session,
            )
            if topic in COMPACTED and first >= self._compaction_lag:
                keys = list({key for key, _ in items})
                entries.delete_many({"key": {"$in": keys}, "_id": {"$lt": first - self._compaction_lag}}, session=session)

    def _take(self, session: ClientSession, topic: str, partition: int, count: int) -> int:
        """The first of `count` offsets, which are ours if the transaction commits."""
        before = self._ends.with_options(write_concern=WriteConcern()).find_one_and_update(
            {"_id": _counter(topic, partition)}, {"$inc": {"next": count}},
            return_document=ReturnDocument.BEFORE, session=session,
        )
        if before is None:
            raise Unavailable(f"partition {partition} of {topic} has lost its counter")
        return int(before["next"])


def _counter(topic: str, partition: int) -> str:
    return f"{topic}|{partition}"


def _counters(topic: str, partitions: int) -> list[str]:
    return [_counter(topic, partition) for partition in range(partitions)]


def _by_partition(items: Sequence[Item], partitions: int) -> dict[int, list[Item]]:
    placed: dict[int, list[Item]] = {}
    for key, value in items:
        placed.setdefault(partition_of(key, partitions), []).append((key, value))
    return placed


def _chunks(items: Sequence[Item]) -> Iterator[list[Item]]:
    chunk: list[Item] = []
    size = 0
    for item in items:
        if chunk and (len(chunk) == CHUNK_ITEMS or size + len(item[1]) > CHUNK_BYTES):
            yield chunk
            chunk, size = [], 0
        chunk.append(item)
        size += len(item[1])
    if chunk:
        yield chunk


@contextmanager
def reachable() -> Iterator[None]:
    """Raises Unavailable when the database is away."""
    try:
        yield
    except ConnectionFailure as away:  # AutoReconnect and the failed search for a server are of its kind
        raise Unavailable("the log cannot be reached", retry_after_s=2) from away


@contextmanager
def _made_by_another() -> Iterator[None]:
    try:
        yield
    except OperationFailure as taken:
        if taken.code not in ALREADY_THERE:
            raise
