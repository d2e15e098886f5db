"""A dossier: every version of every record of one subject, and the rows they make, now and as known before.

Highest version wins whatever the order of arrival; the time at which something was known comes from the events
themselves (made monotone per record), never from arrival, so that a rebuild gives the same rows.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from services.metrics.engine.rules import Cell, Row, Rules
from services.metrics.engine.subject import Subject
from services.metrics.engine.views import ENTERPRISES, KINDS, SILENT
from shared.errors import MalformedEvent

Image = dict[str, Any]
Deltas = Counter[tuple[str, str, Cell, int]]


@dataclass(frozen=True, slots=True)
class Event:
    """One change of a record, under one subject key. `time_ms` is when it was recorded."""

    key: str
    kind: str
    id: str
    version: int
    time_ms: int
    data: Image
    event_id: str


class NoFigure(MalformedEvent):
    """A sound event of a kind that no rule reads: passed over."""


def parse_event(value: bytes) -> Event:
    """Read a CloudEvent from the log. Raises MalformedEvent with the reason."""
    try:
        return event_of(json.loads(value))
    except (ValueError, RecursionError) as wrong:
        raise MalformedEvent(f"not a JSON document: {wrong}") from None


def event_of(cloud: Any) -> Event:
    """Read a decoded CloudEvent. Raises MalformedEvent naming what is missing or unknown."""
    if not isinstance(cloud, dict) or cloud.get("specversion") != "1.0":
        raise MalformedEvent("not a CloudEvent 1.0")
    data = cloud.get("data")
    missing = [name for name in ("id", "type", "subject", "time", "partitionkey", "sequence") if not cloud.get(name)]
    if missing or not isinstance(data, dict):
        raise MalformedEvent(f"missing: {', '.join(missing) or 'data'}")
    kind, _, record_id = str(cloud["subject"]).partition("/")
    if kind in SILENT:
        raise NoFigure(f"{kind} move no figure")
    if kind not in KINDS and kind != ENTERPRISES:
        raise MalformedEvent(f"unknown record kind {kind}")
    try:
        version = int(cloud["sequence"])
        instant = datetime.fromisoformat(str(cloud["time"]).replace("Z", "+00:00"))
        time_ms = round(instant.timestamp() * 1000)
    except (ValueError, TypeError, OverflowError) as wrong:
        raise MalformedEvent(f"sequence or time cannot be read: {wrong}") from None
    if not record_id or version < 1 or instant.tzinfo is None:
        raise MalformedEvent("an event needs a record id, a version from 1 and a time with offset")
    return Event(str(cloud["partitionkey"]), kind, record_id, version, time_ms, data, str(cloud["id"]))


@dataclass(frozen=True, slots=True)
class KnownRow:
    """A row and the interval of knowledge in which it held, in ms; `known_to` None means it is known now."""

    row: Row
    known_from: int
    known_to: int | None


@dataclass
class RowChange:
    """What a fold changed. `rewritten`: `rows` are all rows of the dossier, else only the new and closed ones."""

    known: dict[tuple[Row, int], int | None] = field(default_factory=dict)
    rewritten: bool = False
    deltas: Deltas = field(default_factory=Counter)
    rejected: list[tuple[Event, str]] = field(default_factory=list)

    @property
    def rows(self) -> list[KnownRow]:
        """The rows to store, one per (row, known_from)."""
        return [KnownRow(row, known_from, known_to) for (row, known_from), known_to in self.known.items()]


Version = tuple[int, int, Image]  # version, time_ms, after-image


@dataclass
class Dossier:
    """All that is known of one subject."""

    key: str
    records: dict[tuple[str, str], list[Version]] = field(default_factory=dict)
    current: dict[Row, int] = field(default_factory=dict)
    known_ms: int = 0

    def subject(self, known_ms: int | None = None) -> Subject:
        """The newest versions, or those known at an instant."""
        images: dict[tuple[str, str], tuple[int, Image]] = {}
        for name, versions in self.records.items():
            known = 0
            for version, time_ms, data in versions:
                known = max(known, time_ms)
                if known_ms is None or known <= known_ms:
                    images[name] = (version, data)
        return Subject(self.key, images)

    def fold(self, events: Iterable[Event], rules: Rules) -> RowChange:
        """Apply events. Replays and known versions change nothing; an event that cannot be read is in `rejected`."""
        change = RowChange()
        before = dict(self.current)
        for event in events:
            try:
                self._apply(event, rules, change)
            except MalformedEvent as wrong:
                change.rejected.append((event, wrong.message))
        for row in before.keys() - self.current.keys():
            _edit(change.deltas, row, -1)
        for row in self.current.keys() - before.keys():
            _edit(change.deltas, row, +1)
        return change

    def _apply(self, event: Event, rules: Rules, change: RowChange) -> None:
        versions = self.records.get((event.kind, event.id), [])
        if any(version == event.version for version, _, _ in versions):
            return
        ordered = sorted([*versions, (event.version, event.time_ms, event.data)], key=lambda v: v[0])
        in_order = ordered[-1][0] == event.version and event.time_ms > self.known_ms
        previous = self.records.get((event.kind, event.id))
        self.records[(event.kind, event.id)] = ordered
        try:
            if in_order:
                self._advance(event, rules, change)
            else:
                self._rewrite(rules, change)
        except (ValueError, KeyError, TypeError, IndexError, AttributeError) as wrong:
            if previous is None:
                del self.records[(event.kind, event.id)]
            else:
                self.records[(event.kind, event.id)] = previous
            raise MalformedEvent(f"{event.kind}: the record cannot be read: {type(wrong).__name__}: {wrong}") from wrong

    def _advance(self, event: Event, rules: Rules, change: RowChange) -> None:
        """An event newer than all known: only the rules that read its kind, only the present."""
        touched = rules.reading(event.kind)
        fresh = set(rules.rows(self.subject(), touched))
        for row in [row for row in self.current if row.indicator in touched and row not in fresh]:
            change.known[(row, self.current.pop(row))] = event.time_ms
        for row in fresh - self.current.keys():
            self.current[row] = event.time_ms
            change.known[(row, event.time_ms)] = None
        self.known_ms = event.time_ms

    def _rewrite(self, rules: Rules, change: RowChange) -> None:
        """A late or simultaneous event: derive the whole known history anew."""
        rows, current, known_ms = known_history(self, rules)
        change.known, change.rewritten = {(known.row, known.known_from): known.known_to for known in rows}, True
        self.current, self.known_ms = current, known_ms

    def all_rows(self, rules: Rules) -> list[KnownRow]:
        """Every known row from scratch: the recount that proves the folding right."""
        return known_history(self, rules)[0]


def known_history(dossier: Dossier, rules: Rules) -> tuple[list[KnownRow], dict[Row, int], int]:
    """(all known rows, rows known now with the time they became known, last instant) from the versions alone."""
    instants: set[int] = set()
    for versions in dossier.records.values():
        known = 0
        for _, time_ms, _ in versions:
            known = max(known, time_ms)
            instants.add(known)
    closed: list[KnownRow] = []
    current: dict[Row, int] = {}
    for instant in sorted(instants):
        fresh = set(rules.rows(dossier.subject(instant)))
        for row in [row for row in current if row not in fresh]:
            closed.append(KnownRow(row, current.pop(row), instant))
        for row in fresh - current.keys():
            current[row] = instant
    rows = closed + [KnownRow(row, known_from, None) for row, known_from in current.items()]
    return rows, current, max(instants, default=0)


def _edit(deltas: Deltas, row: Row, sign: int) -> None:
    deltas[(row.indicator, row.part, row.cell, row.start)] += sign * row.amount
    deltas[(row.indicator, row.part, row.cell, row.end)] -= sign * row.amount


def to_document(dossier: Dossier) -> dict[str, Any]:
    """A dossier as plain lists, for the store."""
    return {
        "key": dossier.key,
        "known_ms": dossier.known_ms,
        "records": [[kind, record_id, [list(v) for v in versions]] for (kind, record_id), versions in dossier.records.items()],
        "current": [
            [r.indicator, r.part, [list(pair) for pair in r.cell], r.start, r.end, r.amount, r.record, known_from]
            for r, known_from in dossier.current.items()
        ],
    }


def from_document(document: dict[str, Any]) -> Dossier:
    """The inverse of `to_document`."""
    return Dossier(
        document["key"],
        {(kind, record_id): [(v[0], v[1], v[2]) for v in versions] for kind, record_id, versions in document["records"]},
        {row_of(entry): entry[7] for entry in document["current"]},
        document["known_ms"],
    )


def row_of(entry: list[Any]) -> Row:
    """A row from its list form."""
    return Row(entry[0], entry[1], tuple((k, v) for k, v in entry[2]), entry[3], entry[4], entry[5], entry[6])
