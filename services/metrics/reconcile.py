"""Recount from scratch over the services' event feeds and compare with what the metrics service holds.

Rows, what was known when, and the step functions are all compared; differences are named by record id.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date

from services.metrics.config import MetricsConfig
from services.metrics.definitions import Definitions
from services.metrics.engine.days import FOREVER
from services.metrics.engine.dossier import Dossier, Event, KnownRow, event_of
from services.metrics.engine.rules import Row
from services.metrics.engine.timeline import steps_of
from services.metrics.feeds import Feed, open_feeds, wait_published
from services.metrics.ingest import TOPICS
from services.metrics.lag import folded
from services.metrics.store.collections import Store
from services.metrics.store.dossiers import DossierStore
from services.metrics.store.generations import Generations
from services.metrics.store.positions import Positions
from services.metrics.store.rows import RowStore, known_row
from services.metrics.store.steps import Cell, StepStore
from shared.config import read
from shared.errors import MalformedEvent, Unavailable
from shared.log.interface import Log
from shared.log.open import open_log
from shared.mongo import connect

WAIT_S = 120.0
POLL_S = 0.1
TRIES = 5
MOST_PRINTED = 1_000
KnownRows = dict[str, set[KnownRow]]  # by subject


@dataclass
class Outcome:
    """What a comparison found."""

    events: int = 0
    dossiers: int = 0
    rows: int = 0
    differences: list[str] = field(default_factory=list)


def reconcile(store: Store, log: Log, definitions: Definitions, feeds: list[Feed], wait_s: float = WAIT_S) -> Outcome:
    """Wait until everything is published and folded, then compare. Raises Unavailable when it never comes to rest."""
    for _ in range(TRIES):
        _settle(store, log, feeds, wait_s)
        outcome = Outcome()
        expected = recount(feeds, definitions, outcome)
        _settle(store, log, feeds, wait_s)
        generation = Generations(store).first(definitions.digest).number
        outcome.differences += compare_rows(expected, stored_rows(store, generation))
        outcome.differences += compare_steps(expected, StepStore(store, generation))
        outcome.differences += [f"damaged dossier (subject {key})" for key in DossierStore(store, generation).damaged()]
        if generation == Generations(store).first(definitions.digest).number and not _moved(feeds, wait_s):
            return outcome
    raise Unavailable("records keep changing; reconcile again when it is quieter")


def recount(feeds: Iterable[Feed], definitions: Definitions, outcome: Outcome) -> KnownRows:
    """Every known row of every subject, from the feeds alone."""
    by_key: dict[str, dict[tuple[str, str, int], Event]] = {}
    for feed in feeds:
        for cloud in feed.events():
            outcome.events += 1
            try:
                event = event_of(cloud)
            except MalformedEvent:
                continue  # ingest has it among the dead letters, with this reason
            by_key.setdefault(event.key, {}).setdefault((event.kind, event.id, event.version), event)
    found: KnownRows = {}
    for key, events in by_key.items():
        rows = rows_of(key, events.values(), definitions)
        if rows:
            found[key] = rows
        outcome.rows += len(rows)
    outcome.dossiers = len(by_key)
    return found


def rows_of(key: str, events: Iterable[Event], definitions: Definitions) -> set[KnownRow]:
    """All known rows of one subject, derived in one go from all its versions."""
    dossier = Dossier(key)
    for event in sorted(events, key=lambda event: event.version):
        dossier.records.setdefault((event.kind, event.id), []).append((event.version, event.time_ms, event.data))
    try:
        return set(dossier.all_rows(definitions.rules))
    except (ValueError, KeyError, TypeError, IndexError, AttributeError):  # a record that cannot be read: fold by event
        folding = Dossier(key)
        folding.fold(sorted(events, key=lambda event: (event.time_ms, event.version)), definitions.rules)
        return set(folding.all_rows(definitions.rules))


def stored_rows(store: Store, generation: int) -> KnownRows:
    """The rows that the service holds."""
    found: KnownRows = {}
    for document in RowStore(store, generation).collection.find({"gen": generation}):
        found.setdefault(document["key"], set()).add(known_row(document))
    return found


def compare_rows(expected: KnownRows, stored: KnownRows) -> list[str]:
    """One line a row that only one side has."""
    found: list[str] = []
    for key in sorted(expected.keys() | stored.keys()):
        ours, theirs = expected.get(key, set()), stored.get(key, set())
        found += [_line("missing", key, row) for row in sorted(ours - theirs, key=_order)]
        found += [_line("too much", key, row) for row in sorted(theirs - ours, key=_order)]
    return found


def compare_steps(expected: KnownRows, steps: StepStore) -> list[str]:
    """One line a step that only one side has."""
    present: dict[str, list[Row]] = {}
    for rows in expected.values():
        for known in rows:
            if known.known_to is None:
                present.setdefault(known.row.indicator, []).append(known.row)
    stored = steps.load()
    found: list[str] = []
    for indicator in sorted(present.keys() | stored.keys()):
        ours = _edits(steps_of(present.get(indicator, [])))
        theirs = _edits(stored.get(indicator, {}))
        for part, cell, day in sorted(ours.keys() | theirs.keys()):
            if ours.get((part, cell, day), 0) != theirs.get((part, cell, day), 0):
                found.append(
                    f"step {indicator} {part} {_cell(cell)} {_day(day)}: stored {theirs.get((part, cell, day), 0)}, "
                    f"recounted {ours.get((part, cell, day), 0)}"
                )
    return found


def _edits(steps: Mapping[tuple[str, Cell], Mapping[int, int]]) -> dict[tuple[str, Cell, int], int]:
    return {(part, cell, day): change for (part, cell), days in steps.items() for day, change in days.items() if change}


def _line(what: str, key: str, known: KnownRow) -> str:
    row = known.row
    return (
        f"{what} {row.record or key} (subject {key}): {row.indicator} {row.part} {_cell(row.cell)} "
        f"[{_day(row.start)}, {_day(row.end)}) amount {row.amount}, known {known.known_from}–{known.known_to or 'now'}"
    )


def _order(known: KnownRow) -> tuple[str, str, int, int, int]:
    return (known.row.indicator, known.row.part, known.row.start, known.row.end, known.known_from)


def _cell(cell: Cell) -> str:
    return ",".join(f"{dim}={value}" for dim, value in cell) or "-"


def _day(ordinal: int) -> str:
    return "for ever" if ordinal >= FOREVER else date.fromordinal(ordinal).isoformat()


def _moved(feeds: list[Feed], wait_s: float) -> bool:
    """Whether anything that bears a figure was recorded since the recount; offers may come and go meanwhile."""
    wait_published(feeds, wait_s)
    return any(_bears_figure(cloud) for feed in feeds for cloud in feed.events(feed.last))


def _bears_figure(cloud: object) -> bool:
    try:
        event_of(cloud)
    except MalformedEvent:
        return False
    return True


def _settle(store: Store, log: Log, feeds: list[Feed], wait_s: float) -> None:
    until = time.monotonic() + wait_s
    published = wait_published(feeds, wait_s)
    while published:
        active = Generations(store).active()
        ends = {topic: log.end_offsets(topic) for topic in TOPICS}
        if active and folded(ends, Positions(store, active.number).read_all()):
            return
        if time.monotonic() >= until:
            break
        time.sleep(POLL_S)
    raise Unavailable(f"{'ingest has' if published else 'the relays have'} not caught up within {wait_s:g} s")


def main(environ: Mapping[str, str] | None = None, say: Callable[[str], None] | None = None) -> int:
    """`kechuang reconcile`: 0 when nothing differs, else 1 with every difference by record id."""
    given = os.environ if environ is None else environ
    out = say or (lambda line: print(line, file=sys.stdout))
    config = read(MetricsConfig, given)
    client = connect(config.mongo_uri, config.database, alias="metrics")
    store = Store(client, config.database)
    store.ensure()
    feeds = open_feeds(config.feed_urls(), config.kechuang_token)
    outcome = reconcile(store, open_log(dict(given), client), Definitions.load(config.plan_dir), feeds)
    for line in outcome.differences[:MOST_PRINTED]:
        out(line)
    counted = f"{outcome.events} events, {outcome.dossiers} subjects, {outcome.rows} rows recounted"
    out(f"{len(outcome.differences)} differences ({counted})")
    return 1 if outcome.differences else 0
