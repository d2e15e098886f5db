"""How far a consumer has come in each partition: stored with what it made of the entries, in one transaction.

One document a partition covers every topic, since what hangs on a key is fed by the same partition of all of them.
It moves by compare-and-set on its version: a process that was replaced, or runs twice, cannot write.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import structlog
from pymongo.client_session import ClientSession
from pymongo.collection import Collection

from shared.errors import ConfigError, Conflict
from shared.log.consumer import common_partitions
from shared.log.interface import Log
from shared.mongo import Client, Document, transact

NOTHING_READ = -1
logger = structlog.get_logger(__name__)


class Overtaken(Conflict):
    """Someone else moved this partition: forget what is cached and read again."""

    code = "overtaken"


@dataclass(frozen=True)
class Position:
    """The last offset dealt with in each topic's partition. `version` 0 = nothing stored yet."""

    partition: int
    version: int = 0
    offsets: Mapping[str, int] = field(default_factory=dict)

    def offset(self, topic: str) -> int:
        """Last offset of `topic` that was dealt with; -1 before the first."""
        return self.offsets.get(topic, NOTHING_READ)


class Positions:
    """The positions of one consumer. `scope` begins their ids, `marks` are further fields of each."""

    def __init__(self, collection: Collection[Document], scope: str, marks: Mapping[str, object]) -> None:
        self.collection = collection
        self.scope = scope
        self.marks = dict(marks)

    def read(self, partition: int) -> Position:
        """The stored position of a partition."""
        found = self.collection.find_one({"_id": self._id(partition)})
        return Position(partition) if found is None else _position(found)

    def read_all(self) -> dict[int, Position]:
        """Stored positions by partition."""
        found = self.collection.find({**self.marks, "partition": {"$exists": True}})
        return {doc["partition"]: _position(doc) for doc in found}

    def advance(self, session: ClientSession, seen: Position, offsets: Mapping[str, int]) -> Position:
        """Move from `seen` to `offsets` (topics not named stay). Raises Overtaken when it is no longer at `seen`."""
        merged = {**seen.offsets, **offsets}
        if seen.version and any(offset < seen.offset(topic) for topic, offset in merged.items()):
            raise ValueError("a position never goes back")
        return self._move(session, seen, merged)

    def settle(self, client: Client, log: Log, topics: Sequence[str]) -> int:
        """Hold the positions to the log they were made on; the number of partitions. Call at start, and now and then.

        Raises ConfigError when the number of partitions is another one: keys would lie elsewhere than their past. A
        topic that was lost and made anew is read from its first entry.
        """
        identities = {topic: log.identity(topic) for topic in topics}
        count = common_partitions(log, topics)  # after it was asked for the identities, which brings the numbers up to date
        identifier = self._id("log")
        pinned: Document = {"partitions": count, "identities": [list(pair) for pair in identities.items()]}
        self.collection.update_one({"_id": identifier}, {"$setOnInsert": {**self.marks, **pinned}}, upsert=True)
        found = self.collection.find_one({"_id": identifier}) or pinned
        if found["partitions"] != count:
            raise ConfigError(
                f"the log has {count} partitions but was followed with {found['partitions']}: make the topics anew with "
                f"the number wanted, then `kechuang rebuild --from stores`"
            )
        known = dict(found["identities"])
        lost = [topic for topic, identity in identities.items() if known.get(topic) != identity]
        if lost:
            transact(client, lambda session: self._rewind(session, lost, identifier, pinned))
            logger.error("topics were made anew; reading them from their first entry", topics=lost)
        return count

    def _rewind(self, session: ClientSession, topics: list[str], identifier: str, pinned: Document) -> None:
        for position in self.read_all().values():
            kept = {topic: offset for topic, offset in position.offsets.items() if topic not in topics}
            self._move(session, position, kept)
        self.collection.update_one({"_id": identifier}, {"$set": pinned}, session=session)

    def _move(self, session: ClientSession, seen: Position, offsets: Mapping[str, int]) -> Position:
        moved = Position(seen.partition, seen.version + 1, dict(offsets))
        body = {"version": moved.version, "offsets": [[topic, offset] for topic, offset in offsets.items()]}
        if seen.version == 0:
            self._insert(session, moved, body)
            return moved
        done = self.collection.update_one(
            {"_id": self._id(seen.partition), "version": seen.version}, {"$set": body}, session=session
        )
        if done.matched_count != 1:
            raise Overtaken(f"partition {seen.partition} is no longer at version {seen.version}")
        return moved

    def _insert(self, session: ClientSession, moved: Position, body: dict[str, object]) -> None:
        # An upsert that inserts only: a duplicate key error would abort the transaction without a word why.
        done = self.collection.update_one(
            {"_id": self._id(moved.partition)},
            {"$setOnInsert": {**self.marks, "partition": moved.partition, **body}},
            upsert=True,
            session=session,
        )
        if done.matched_count:
            raise Overtaken(f"partition {moved.partition} already has a position")

    def _id(self, name: object) -> str:
        return f"{self.scope}|{name}"


def _position(found: Document) -> Position:
    return Position(found["partition"], found["version"], dict(found["offsets"]))
