"""Events of the log that a service could not apply: kept with place, bytes and reason, to be listed, replayed or dropped.

Bounded: past the limit only the place and the reason are kept; the bytes are still in the log at that place.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from bson.binary import Binary
from pymongo import ASCENDING, IndexModel, UpdateOne
from pymongo.client_session import ClientSession
from pymongo.collection import Collection

from shared.errors import Conflict, NotFound, Unavailable
from shared.log.interface import Entry
from shared.mongo import Document, ensure_collection
from shared.telemetry import counter

WAITING, REPLAYED, DROPPED = "waiting", "replayed", "dropped"
KEPT_BYTES = 1 << 20  # of one event
KEPT_WITH_BYTES = 10_000  # letters; later ones are read from the log again
REASON_LENGTH = 500
INDEXES = [IndexModel([("topic", ASCENDING), ("partition", ASCENDING), ("offset", ASCENDING)])]
BURIED = counter("kechuang_dead_letters_total", "Events that went to the dead letters")


@dataclass(frozen=True)
class Poison:
    """An entry of the log and why it could not be applied."""

    entry: Entry
    reason: str


class Halted(Unavailable):
    """Too much of a partition is poison: rather a wrong deploy than wrong events. Nothing was buried or passed over."""

    code = "ingest_halted"

    def __init__(self, found: Poison, letters: int, window: int) -> None:
        super().__init__(
            f"{letters} of the last {window} entries of partition {found.entry.partition} of {found.entry.topic} cannot be "
            f"applied ({found.reason}): mend it, or decide with `kechuang dead-letters replay|drop`"
        )
        self.partition = found.entry.partition
        self.offset = found.entry.offset


class Decided(Conflict):
    """Somebody has replayed or dropped this letter already."""

    code = "letter_decided"


class DeadLetters:
    """The letters in a service's own collection. A letter's id is its place: "topic|partition|offset"."""

    def __init__(self, collection: Collection[Document]) -> None:
        self.collection = collection

    def ensure(self) -> None:
        """Make the collection and its index, and bring letters of an older form, under an id of their own, to the present one."""
        ensure_collection(self.collection.database, self.collection.name)
        self.collection.create_indexes(INDEXES)
        for old in self.collection.find({"topic": {"$exists": True}, "state": {"$exists": False}}):
            entry = Entry(old["topic"], old["partition"], old["offset"], old["key"], b"")
            made = _document(Poison(entry, old["reason"]), int(old["_id"].generation_time.timestamp() * 1000), keep=False)
            self.collection.update_one({"_id": place(entry)}, {"$setOnInsert": made}, upsert=True)
            self.collection.delete_one({"_id": old["_id"]})

    def write(self, session: ClientSession, found: Iterable[Poison], at_ms: int) -> None:
        """Store them; one that is known already keeps its state."""
        poisons = list(found)
        if not poisons:
            return
        room = KEPT_WITH_BYTES - self.collection.count_documents(
            {"bytes": {"$ne": None}}, limit=KEPT_WITH_BYTES, session=session
        )
        writes = [
            UpdateOne({"_id": place(poison.entry)}, {"$setOnInsert": _document(poison, at_ms, keep=n < room)}, upsert=True)
            for n, poison in enumerate(poisons)
        ]
        self.collection.bulk_write(writes, ordered=False, session=session)

    def demand_room(self, found: Iterable[Poison], window: int, limit: int) -> None:
        """Raise Halted when more than `limit` of the last `window` entries of a topic's partition would wait as letters.

        The window is the log itself, so a restart forgets nothing; a letter that was replayed or dropped does not count.
        """
        places: dict[tuple[str, int], list[Poison]] = {}
        for poison in found:
            places.setdefault((poison.entry.topic, poison.entry.partition), []).append(poison)
        for (topic, partition), poisons in places.items():
            newest = max(poisons, key=lambda poison: poison.entry.offset)
            offsets = {poison.entry.offset for poison in poisons if poison.entry.offset > newest.entry.offset - window}
            query = {"topic": topic, "partition": partition, "state": WAITING, "offset": {"$gt": newest.entry.offset - window}}
            known = self.collection.count_documents(query | {"offset": query["offset"] | {"$nin": list(offsets)}})  # type: ignore[operator]
            if known + len(offsets) > limit:
                raise Halted(newest, known + len(offsets), window)

    def waiting(self) -> Iterator[Document]:
        """Letters nobody has decided on, without their bytes: oldest first, those of a batch in the log's order."""
        order = [("at_ms", 1), ("topic", 1), ("partition", 1), ("offset", 1)]
        return iter(self.collection.find({"state": WAITING}, {"bytes": False}).sort(order))

    def count(self) -> int:
        """How many wait."""
        return self.collection.count_documents({"state": WAITING})

    def get(self, letter_id: str) -> Document:
        """One letter. Raises NotFound."""
        found = self.collection.find_one({"_id": letter_id})
        if found is None:
            raise NotFound(f"no dead letter {letter_id}")
        return found

    def drop(self, letter_id: str) -> None:
        """Decide that this event is not wanted. Raises NotFound, and Decided when it does not wait."""
        self._claim(letter_id, DROPPED)

    @contextmanager
    def replaying(self, letter_id: str) -> Iterator[None]:
        """Nobody else can decide on it while it is put on the log; it waits again if that fails. Raises as `drop` does."""
        self._claim(letter_id, REPLAYED)
        try:
            yield
        except BaseException:
            self.collection.update_one({"_id": letter_id, "state": REPLAYED}, {"$set": {"state": WAITING}})
            raise

    def decided(self, letter: Document, state: str) -> None:
        """Know what was decided on an event that this service may not have come to yet: it will not wait here any more."""
        known = letter | {"bytes": None, "state": state}
        self.collection.update_one({"_id": letter["_id"]}, {"$setOnInsert": known}, upsert=True)
        self.collection.update_one({"_id": letter["_id"], "state": WAITING}, {"$set": {"state": state}})  # it came just now

    def _claim(self, letter_id: str, state: str) -> None:
        """One of several who decide at once wins: the state moves only from waiting."""
        if not self.collection.update_one({"_id": letter_id, "state": WAITING}, {"$set": {"state": state}}).matched_count:
            raise Decided(f"{letter_id} is {self.get(letter_id)['state']} already")


def place(entry: Entry) -> str:
    """The id of an entry's letter."""
    return f"{entry.topic}|{entry.partition}|{entry.offset}"


def _document(poison: Poison, at_ms: int, keep: bool) -> Document:
    entry = poison.entry
    kept = keep and len(entry.value) <= KEPT_BYTES
    return {
        "topic": entry.topic,
        "partition": entry.partition,
        "offset": entry.offset,
        "key": _text(entry.key),
        "size_bytes": len(entry.value),
        "bytes": Binary(entry.value) if kept else None,
        "reason": _text(poison.reason)[:REASON_LENGTH],
        "at_ms": at_ms,
        "state": WAITING,
    }


def _text(text: str | None) -> str:
    """What BSON can hold: no lone surrogates."""
    return (text or "").encode("utf-8", "replace").decode("utf-8")
