"""Walks a service's changes, access log and anchors, and names every entry that is altered, missing, added or out of order.

The chains are keyless: they prove that what is stored fits together and fits every anchor. Whoever can rewrite the whole
store can rewrite all of them; against that stands the hash of an anchor noted elsewhere (each one is in the operators'
log), which `expect` compares. New entries may arrive meanwhile.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from bson.int64 import Int64
from pymongo.database import Database

from shared.mongo import Document
from shared.records import grams
from shared.records.access_log import COLLECTION as ACCESS_LOG
from shared.records.anchors import COLLECTION as ANCHORS
from shared.records.anchors import NONE_YET, STATE, named
from shared.records.image import digest, record_digest
from shared.records.kind import Kind

PLAIN = (str, int, Int64, float, bool, type(None))
BATCH = 500
ALTERED, MISSING, ADDED, REORDERED = "altered", "missing", "added", "reordered"


@dataclass(frozen=True)
class Finding:
    """One entry that is not as it was written. `place`: a version, a place in a stream, an anchor's number."""

    service: str
    log: str  # changes, records, access_log, anchors
    fault: str
    kind: str | None
    record_id: str | None
    place: str
    why: str

    def __str__(self) -> str:
        record = f" {self.kind}/{self.record_id}" if self.kind else ""
        return f"{self.service} {self.log}: {self.fault}{record} {self.place}: {self.why}"


@dataclass(frozen=True)
class Head:
    """The end of one record's chain."""

    kind: str
    record_id: str
    version: int
    hash: str
    record_hash: str | None


class Audit:
    """The audit of one service; `advance` is called with the number of entries read since its last call."""

    def __init__(
        self, service: str, database: Database[Document], kinds: Mapping[str, Kind], advance: Callable[[int], None] = lambda _: None
    ) -> None:
        self.service, self.database, self.kinds, self._advance = service, database, dict(kinds), advance
        self._changes, self._anchors = database["changes"], database[ANCHORS]

    def size(self) -> int:
        """About how many entries `findings` reads."""
        return sum(self.database[name].estimated_document_count() for name in (*map(_collection, self.kinds), "changes", ACCESS_LOG))

    def findings(self, expect: Mapping[int, str] | None = None) -> Iterator[Finding]:
        """Everything that is wrong, chain by chain; nothing when all is as it was written."""
        yield from self._anchor_chain(expect or {})
        yield from self._change_chains()
        yield from self._without_changes()
        yield from self._order_of_changes()
        yield from self._access_streams()
        yield from self._anchored_accesses()

    def _anchor_chain(self, expect: Mapping[int, str]) -> Iterator[Finding]:
        state = self.database[STATE].find_one({"_id": NONE_YET["_id"]}) or NONE_YET
        number, head = 0, None
        for anchor in self._anchors.find().sort("_id", 1):
            if anchor["_id"] != number + 1:
                yield self._anchor(MISSING, number + 1, f"the next one is {anchor['_id']}")
            elif _intact(anchor) and anchor["prev_hash"] != head:
                yield self._anchor(ALTERED, number, "its successor names another hash")
            if not _intact(anchor):
                yield self._anchor(ALTERED, anchor["_id"], "its hash does not fit")
            elif expect.get(anchor["_id"], anchor["hash"]) != anchor["hash"]:
                yield self._anchor(ALTERED, anchor["_id"], "it is not the one that was noted")
            number, head = (anchor["_id"] if type(anchor["_id"]) is int else number + 1), anchor.get("hash")
            if number == state["number"] and head != state["hash"]:
                yield self._anchor(ALTERED, number, "the chain's end names another hash")
        for lost in sorted({n for n in (state["number"], *expect) if type(n) is not int or n > number}, key=str):
            yield self._anchor(MISSING, lost, "the chain ends before it")

    def _change_chains(self) -> Iterator[Finding]:
        """Each record's changes from the first to the newest, and the record itself beside the newest."""
        heads: list[Head] = []
        head: Head | None = None
        for change in self._read(self._changes.find().sort([("kind", 1), ("record_id", 1), ("version", 1)])):
            same = head is not None and (head.kind, head.record_id) == (change.get("kind"), change.get("record_id"))
            if head is not None and not same:
                heads.append(head)
            yield from self._link(head if same else None, change)
            head = Head(*(change.get(name) for name in ("kind", "record_id", "version", "hash", "record_hash")))  # type: ignore[arg-type]
            if len(heads) >= BATCH:
                yield from self._records_beside(heads)
                heads = []
        yield from self._records_beside([*heads, *([head] if head else [])])

    def _link(self, before: Head | None, change: Document) -> Iterator[Finding]:
        version: Any = change.get("version")
        expected = before.version + 1 if before and type(before.version) is int else 1
        if not _intact(change):
            yield self._change(ALTERED, change, "its hash does not fit")
            return
        if version != expected:
            gap = f"version {expected}" if version == expected + 1 else f"versions {expected} to {version - 1}"
            yield self._change(MISSING, change | {"version": expected}, f"{gap} of the record is not there")
        elif change["prev_hash"] != (before.hash if before else None):
            yield self._change(ALTERED, change | {"version": expected - 1}, "its successor names another hash")
        published, position = change.get("published"), change.get("position", "")
        if (published, type(position)) not in ((True, int), (True, Int64), (False, type(None))):
            yield self._change(ALTERED, change, "its place in the order does not fit its being published")

    def _records_beside(self, heads: list[Head]) -> Iterator[Finding]:
        heads = [head for head in heads if head.kind in self.kinds]  # another kind is an altered change, and named as one
        by_kind: dict[str, dict[str, Document]] = {}
        for kind in {head.kind for head in heads}:
            ids = [head.record_id for head in heads if head.kind == kind]
            by_kind[kind] = {stored["_id"]: stored for stored in self.database[_collection(kind)].find({"_id": {"$in": ids}})}
        for head in heads:
            if self._differs(by_kind[head.kind].get(head.record_id), head):
                yield from self._look_again(head)

    def _look_again(self, seen: Head) -> Iterator[Finding]:
        """The record may have changed between the two readings: compare both as of one instant."""
        with self.database.client.start_session(snapshot=True) as session:
            stored = self.database[_collection(seen.kind)].find_one({"_id": seen.record_id}, session=session)
            query = {"kind": seen.kind, "record_id": seen.record_id}
            newest = self._changes.find_one(query, sort=[("version", -1)], session=session) or {}
        head = Head(seen.kind, seen.record_id, *(newest.get(name) for name in ("version", "hash", "record_hash")))  # type: ignore[arg-type]
        if why := self._differs(stored, head):
            lost = stored is not None and type(stored["version"]) is int and stored["version"] > (head.version or 0)
            if lost and stored is not None and record_digest(stored) != head.record_hash:
                yield self._change(MISSING, {**query, "version": (head.version or 0) + 1}, "the record is newer than its newest change")
            else:
                fault = MISSING if stored is None else ALTERED
                yield Finding(self.service, "records", fault, seen.kind, seen.record_id, f"version {head.version}", why)

    def _differs(self, stored: Document | None, head: Head) -> str | None:
        if stored is None:
            return "the record is not there"
        if stored.get("version") != head.version or stored.get("head") != head.hash:
            return "the record is not the one that its newest change left"
        if not _plain(stored) or record_digest(stored) != head.record_hash:
            return "the record does not fit the hash in its newest change"
        if stored.get(grams.FIELD) not in (None, grams.of_image(self.kinds[head.kind], stored)):
            return "searches for its name would not find it"
        return None

    def _without_changes(self) -> Iterator[Finding]:
        for kind in self.kinds:
            for batch in _batches(self._read(self.database[_collection(kind)].find({}, {"version": 1}))):
                ids = [stored["_id"] for stored in batch]
                query = {"kind": kind, "record_id": {"$in": ids}, "version": 1}
                known = {change["record_id"] for change in self._changes.find(query, {"record_id": 1})}
                for record_id in (each for each in ids if each not in known):
                    if self._changes.find_one({"kind": kind, "record_id": record_id}) is None:
                        yield self._change(MISSING, {"kind": kind, "record_id": record_id, "version": 1}, "the record has no change at all")

    def _order_of_changes(self) -> Iterator[Finding]:
        """The published changes stand in one order without gaps, and as the anchors name it."""
        counter = self.database["counters"].find_one({"_id": "event-position"}) or {"value": 0}
        place = 0
        for anchor in self._anchors.find().sort("_id", 1):
            noted = anchor["changes"] if _intact(anchor) else []
            if noted:
                span = {"position": {"$gte": noted[0][0], "$lte": noted[-1][0]}}
                found = [named(change) for change in self._changes.find(span).sort("position", 1)]
                if found != noted:
                    yield from self._compare(noted, found)
                place = noted[-1][0]
        for change in self._changes.find({"position": {"$gt": place}}, {"after": 0}).sort("position", 1):
            place += 1
            if change["position"] != place:
                yield Finding(self.service, "changes", MISSING, None, None, f"position {place}", "the order has a gap, not anchored yet")
                place = change["position"]
        if place < counter["value"]:
            yield Finding(self.service, "changes", MISSING, None, None, f"position {place + 1}", f"the order goes to {counter['value']}")

    def _compare(self, noted: list[list[Any]], found: list[list[Any]]) -> Iterator[Finding]:
        there = {tuple(each) for each in found}
        for position, kind, record_id, version, sha in noted:
            if (position, kind, record_id, version, sha) in there:
                continue
            name: Document = {"kind": kind, "record_id": record_id, "version": version}
            stored = self._changes.find_one(name)
            if stored is None:
                yield self._change(MISSING, name, f"an anchor names it at position {position}")
            elif stored.get("hash") != sha:
                yield self._change(ALTERED, name, "an anchor names another hash")
            else:
                yield self._change(REORDERED, name, f"it stands at position {stored.get('position')}, an anchor names {position}")
        for extra in there - {tuple(each) for each in noted}:
            if self._known(extra, noted):
                continue
            yield self._change(ADDED, dict(zip(("kind", "record_id", "version"), extra[1:4], strict=True)), "no anchor names it here")

    @staticmethod
    def _known(entry: tuple[Any, ...], noted: list[list[Any]]) -> bool:
        return any(list(entry[1:4]) == each[1:4] for each in noted)

    def _access_streams(self) -> Iterator[Finding]:
        stream, seq, head = None, 0, None
        for entry in self._read(self.database[ACCESS_LOG].find().sort([("stream", 1), ("seq", 1)])):
            if entry.get("stream") != stream:
                stream, seq, head = entry.get("stream"), 0, None
            if not _intact(entry):
                yield self._access(ALTERED, entry, "its hash does not fit")
            elif entry["seq"] != seq + 1:
                yield self._access(MISSING, {"stream": stream, "seq": seq + 1}, f"the next one is {entry['seq']}")
            elif entry["prev_hash"] != head:
                yield self._access(ALTERED, {"stream": stream, "seq": seq}, "its successor names another hash")
            seq, head = (entry["seq"] if type(entry.get("seq")) is int else seq + 1), entry.get("hash")

    def _anchored_accesses(self) -> Iterator[Finding]:
        for anchor in self._anchors.find().sort("_id", 1):
            for stream, seq, sha in anchor["accesses"] if _intact(anchor) else ():
                entry = self.database[ACCESS_LOG].find_one({"stream": stream, "seq": seq})
                if entry is None:
                    yield self._access(MISSING, {"stream": stream, "seq": seq}, f"anchor {anchor['_id']} names it")
                elif entry.get("hash") != sha:
                    yield self._access(ALTERED, entry, f"anchor {anchor['_id']} names another hash")

    def _read(self, entries: Iterable[Document]) -> Iterator[Document]:
        for batch in _batches(entries):
            yield from batch
            self._advance(len(batch))

    def _change(self, fault: str, change: Document, why: str) -> Finding:
        return Finding(self.service, "changes", fault, str(change.get("kind")), str(change.get("record_id")), f"version {change.get('version')}", why)

    def _access(self, fault: str, entry: Document, why: str) -> Finding:
        kind, record_id, at = entry.get("kind"), entry.get("record_id"), f"entry {entry.get('seq')} of stream {entry.get('stream')}"
        return Finding(self.service, ACCESS_LOG, fault, kind and str(kind), record_id and str(record_id), at, why)

    def _anchor(self, fault: str, number: Any, why: str) -> Finding:
        return Finding(self.service, ANCHORS, fault, None, None, f"anchor {number}", why)


def _collection(kind: str) -> str:
    return kind.replace("-", "_")


def _intact(entry: Document) -> bool:
    return _plain(entry) and digest(entry) == entry.get("hash")


def _plain(value: Any) -> bool:
    """Whether a value is what was written: the store has types that read like it (code, symbols) and are not."""
    if isinstance(value, dict):
        return all(_plain(each) for each in value.values())
    if isinstance(value, list):
        return all(_plain(each) for each in value)
    return type(value) in PLAIN


def _batches(entries: Iterable[Document]) -> Iterator[list[Document]]:
    batch: list[Document] = []
    for entry in entries:
        batch.append(entry)
        if len(batch) >= BATCH:
            yield batch
            batch = []
    if batch:
        yield batch
