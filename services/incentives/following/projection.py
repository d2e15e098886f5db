"""Registry facts as incentives knows them: the newest version of each record under each enterprise that it names.

A batch's facts, the subjects whose eligibility may have changed and the log positions commit in one transaction with a
compare-and-set on the position: a replay changes nothing, and a process that was overtaken writes nothing. What cannot be
read goes to the dead letters; too much of it stops a partition, as it does in metrics.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import msgspec
import structlog
from pymongo import ReplaceOne, UpdateOne
from pymongo.client_session import ClientSession
from pymongo.database import Database

from shared.errors import Conflict, MalformedEvent
from shared.log.dead_letters import BURIED, DeadLetters, Poison
from shared.log.halts import Halts
from shared.log.interface import BEFORE_FIRST, Entry, Log
from shared.mongo import Client, Document, ensure_collection, transact

KINDS = frozenset({
    "enterprises", "hnte-certificates", "tech-sme-entries", "above-scale-spells", "rd-units", "platforms", "tech-contracts",
    "patents", "industrial-internet-projects", "credit-lines",
})
EVERYBODY = "all"
Place = tuple[str, int]  # topic, partition
logger = structlog.get_logger(__name__)


class Overtaken(Conflict):
    """Another process moved this partition: read the positions again."""

    code = "overtaken"


class Event(msgspec.Struct):
    """What is read of a CloudEvent."""

    subject: str
    partitionkey: str
    sequence: int
    data: dict[str, Any]


DECODER = msgspec.json.Decoder(Event)


@dataclass
class Batch:
    """What a batch of entries says: facts by id, subjects that are due, and what could not be read."""

    facts: dict[str, Document] = field(default_factory=dict)
    due: set[str] = field(default_factory=set)
    poison: list[Poison] = field(default_factory=list)

    def add(self, entry: Entry) -> None:
        """Read one entry; a malformed one is kept aside with its reason."""
        try:
            self._read(entry)
        except MalformedEvent as wrong:
            self.poison.append(Poison(entry, wrong.message))

    def _read(self, entry: Entry) -> None:
        try:
            event = DECODER.decode(entry.value)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as wrong:
            raise MalformedEvent(f"not an event: {type(wrong).__name__}") from None
        kind, _, record_id = event.subject.partition("/")
        if not record_id or event.sequence < 1 or event.partitionkey != entry.key:
            raise MalformedEvent("an event needs subject, sequence and the key it lies under")
        if kind in KINDS:
            self._fact(event, kind, record_id)
            self.due.add(f"enterprise|{entry.key}")
        elif kind == "introductions":
            self.due.add(f"person|{entry.key}")
        elif kind == "applications":  # lies under the applicant's key: a person's opaque one, or the enterprise's code
            self.due.add(f"person|{entry.key}" if entry.key.startswith("p_") else f"enterprise|{entry.key}")
        elif kind == "policies":
            self.due.add(EVERYBODY)

    def _fact(self, event: Event, kind: str, record_id: str) -> None:
        name = f"{event.partitionkey}|{kind}/{record_id}"
        if event.sequence > self.facts.get(name, {"version": 0})["version"]:
            self.facts[name] = {
                "_id": name, "key": event.partitionkey, "kind": kind, "version": event.sequence, "data": event.data,
            }


class Projection:
    """The facts, positions and due subjects in incentives' own database."""

    def __init__(
        self, client: Client, database: Database[Document], *, poison_window: int = 1_000, poison_limit: int = 500
    ) -> None:
        self.client = client
        self.facts, self.positions = database["registry_facts"], database["followed"]
        self.due, self.letters = database["eligibility_due"], DeadLetters(database["dead_letters"])
        self.halts = Halts(self.positions, "follow")
        self.poison_window, self.poison_limit = poison_window, poison_limit
        self.database = database

    def ensure(self) -> None:
        """Create the collections; call at start, never inside a transaction."""
        for collection in (self.facts, self.positions, self.due):
            ensure_collection(self.database, collection.name)
        self.letters.ensure()
        self.due.create_index([("swept", 1), ("since_ms", 1)])
        self.facts.create_index([("key", 1), ("kind", 1)])
        self.facts.create_index([("kind", 1), ("key", 1)])

    def places(self) -> dict[Place, int]:
        """The last offset that was read, by topic and partition."""
        found = self.positions.find({"topic": {"$exists": True}})
        return {(each["topic"], each["partition"]): each["offset"] for each in found}

    def settle(self, log: Log, topics: Iterable[str]) -> bool:
        """Hold the places to the topics they were made on; whether one was lost and made anew: it is read from its first entry."""
        anew = False
        for topic in topics:
            identity, pinned = log.identity(topic), {"_id": f"log|{topic}"}
            self.positions.update_one(pinned, {"$setOnInsert": {"identity": identity}}, upsert=True)
            if self.positions.count_documents(pinned | {"identity": identity}):
                continue
            transact(self.client, lambda _, topic=topic, identity=identity: self._rewind(topic, identity))  # type: ignore[misc]
            logger.error("a topic was made anew; reading it from its first entry", topic=topic)
            anew = True
        return anew

    def _rewind(self, topic: str, identity: str) -> None:
        self.positions.delete_many({"topic": topic})
        self.positions.update_one({"_id": f"log|{topic}"}, {"$set": {"identity": identity}})

    def commit(self, entries: Sequence[Entry], seen: Mapping[Place, int]) -> dict[Place, int]:
        """Fold entries in and move from the positions `seen`; the new ones. Raises Overtaken, and Halted at too much poison."""
        batch = Batch()
        moved: dict[Place, int] = {}
        for entry in entries:
            batch.add(entry)
            moved[entry.topic, entry.partition] = entry.offset

        self.letters.demand_room(batch.poison, self.poison_window, self.poison_limit)

        def work(session: ClientSession) -> None:
            for place, offset in moved.items():
                self._move(place, seen.get(place, BEFORE_FIRST), offset)
            self._write_facts(batch)
            self.mark(batch.due)
            self.letters.write(session, batch.poison, time.time_ns() // 1_000_000)

        transact(self.client, work)
        BURIED.inc(len(batch.poison))
        for letter in batch.poison:
            logger.warning("dead letter", topic=letter.entry.topic, offset=letter.entry.offset, reason=letter.reason)
        return moved

    def mark(self, subjects: Iterable[str]) -> None:
        """Say that the eligibility of subjects is to be looked at (again): before those whose turn comes with everybody's."""
        fresh = {"$inc": {"n": 1}, "$set": {"swept": False, "since_ms": time.time_ns() // 1_000_000}}
        marks = [UpdateOne({"_id": subject}, fresh, upsert=True) for subject in sorted(subjects)]
        if marks:
            self.due.bulk_write(marks, ordered=False)

    def _move(self, place: Place, seen: int, offset: int) -> None:
        name, (topic, partition) = f"{place[0]}|{place[1]}", place
        if seen == BEFORE_FIRST:  # an upsert that inserts only: a duplicate key would abort the transaction without a word
            fresh = {"topic": topic, "partition": partition, "offset": offset}
            done = self.positions.update_one({"_id": name}, {"$setOnInsert": fresh}, upsert=True)
            overtaken = bool(done.matched_count)
        else:
            done = self.positions.update_one({"_id": name, "offset": seen}, {"$set": {"offset": offset}})
            overtaken = not done.matched_count
        if overtaken:
            raise Overtaken(f"{name} is no longer at {seen}")

    def _write_facts(self, batch: Batch) -> None:
        stored = {each["_id"]: each["version"] for each in self.facts.find({"_id": {"$in": list(batch.facts)}}, {"version": 1})}
        newer = [fact for name, fact in batch.facts.items() if fact["version"] > stored.get(name, 0)]
        if newer:
            self.facts.bulk_write([ReplaceOne({"_id": fact["_id"]}, fact, upsert=True) for fact in newer], ordered=False)
