"""The publisher: whoever holds the lease announces every change of a reading, once, in one global order.

It wakes when ingest marks indicators dirty, at local midnight, when a rebuild switches generations, and when lag
makes values stale. Changes are stored first and appended to the log afterwards, at least once.
"""

from __future__ import annotations

import json
import os
import threading
import time
from collections.abc import Mapping
from contextlib import suppress
from datetime import date
from typing import Any, Protocol

import structlog
from pymongo.client_session import ClientSession
from pymongo.errors import PyMongoError

from services.metrics.clock_check import ClockCheck
from services.metrics.config import MetricsConfig
from services.metrics.definitions import Definitions
from services.metrics.ingest import FIRST_BACK_OFF_S, LAST_BACK_OFF_S, TOPICS, patiently
from services.metrics.lag import LagMeter
from services.metrics.readings import Item, Readings, dims_of
from services.metrics.store.collections import Store
from services.metrics.store.generations import Generation, Generations
from services.metrics.store.positions import Positions
from services.metrics.store.publications import STALE_AFTER_S, Announcement, Publication, Publications, staled
from shared.clock import Clock, clock_from_environment, format_instant, today
from shared.config import read
from shared.errors import ConfigError, KechuangError, Unavailable
from shared.events.topics import INDICATORS
from shared.health import beat, database_answers, serve_health
from shared.ids import new_id
from shared.log.interface import Log
from shared.log.open import open_log
from shared.mongo import connect, end_what_died, transact
from shared.process import stopped_by_signal
from shared.relay.lease import Lease
from shared.telemetry import configure_logging, counter, gauge
from shared.wake import Wake

TICK_S = 0.2  # how late a midnight may be noticed
LEASE_S = 10.0
LAG_EVERY_S = 1.0
NOTE_EVERY_S = 2.0  # that the lag was measured, however little it changed; see MEASURED_WITHIN_S
TRIM_EVERY = 500  # changes
APPEND_PAGE = 500
UNSAID = frozenset({"as_of", "known_at", "sequence", "updated_at", "lag_s"})  # differ without being a change
CHANGES = counter("kechuang_indicator_changes_total", "Changes of readings that were announced")
LAG = gauge("kechuang_ingest_lag_seconds", "How long the oldest event that is not folded yet has waited", ["partition"])
logger = structlog.get_logger(__name__)


class Fence(Protocol):
    """What the publisher needs of a lease inside its transaction."""

    def check_in(self, session: ClientSession) -> None:
        """Raise when another holder has taken over."""
        ...


class Publisher:
    """Compares readings with what was last announced."""

    def __init__(
        self,
        store: Store,
        log: Log,
        definitions: Definitions,
        clock: Clock,
        fence: Fence,
        *,
        stale_after_s: float = STALE_AFTER_S,
        changes_kept: int = 20_000,
    ) -> None:
        self.store = store
        self.log = log
        self.definitions = definitions
        self.clock = clock
        self.fence = fence
        self.changes_kept = changes_kept
        self.publications = Publications(store, stale_after_s)
        self.lag = LagMeter()
        self._lag_s = 0.0
        self._measured = float("-inf")
        self._noted = float("-inf")
        self._reachable = True  # whether the log answered when it was last asked
        self._complete = False  # everything was computed since this process started
        self._untrimmed = 0

    def step(self) -> int:
        """Announce what changed; how many changes."""
        generation = Generations(self.store).first(self.definitions.digest)
        state = self.publications.state()
        if generation.digest != self.definitions.digest:
            if self._complete and not generation.condemned:
                raise ConfigError("the active generation was made by newer definitions: start the publisher anew")
            # A rebuild by the present rules is under way. What is published stands until it switches, as old as it is.
            self._measure(generation, state.waiting_s)
            self._note_lag(state)
            return 0
        on, stale = today(self.clock), self._measure(generation, state.waiting_s)
        marks = list(self.store.dirty.find({"gen": generation.number}).sort("_id", 1))
        everything = (
            not self._complete
            or state.published_as_of != on.isoformat()
            or {stale} != {state.stale, self.publications.is_stale(state)}
            or (state.generation != generation.number)
        )
        if not everything and not marks:
            self._note_lag(state)
            return self._append(state)
        wanted = (
            set(self.definitions.plan.indicators) if everything else {name for mark in marks for name in mark["indicators"]}
        )
        announcements = self._announcements(generation, state, wanted & set(self.definitions.plan.indicators), on, stale)
        changes = self._publish(generation, announcements, on, stale, marks)
        self._complete = True
        CHANGES.inc(len(changes))
        self._append(self.publications.state())
        self._trim(len(changes))
        return len(changes)

    def _publish(
        self, generation: Generation, announcements: list[Announcement], on: date, stale: bool, marks: list[dict[str, Any]]
    ) -> list[Item]:
        at = format_instant(self.clock.now())

        def work(session: ClientSession) -> list[Item]:
            self.fence.check_in(session)
            # `write` adds sequence numbers to the items: a retried attempt must start from fresh copies.
            fresh = [Announcement(a.indicator, dict(a.item), a.breakdowns, a.cells) for a in announcements]
            changes = self.publications.write(
                session,
                fresh,
                as_of=on.isoformat(),
                generation=generation.number,
                lag_s=self._lag_s,
                stale=stale,
                at=at,
            )
            if marks:
                self.store.dirty.delete_many({"_id": {"$in": [mark["_id"] for mark in marks]}}, session=session)
            return changes

        return transact(self.store.client, work)

    def _announcements(
        self, generation: Generation, state: Publication, wanted: set[str], on: date, stale: bool
    ) -> list[Announcement]:
        """Compared with what readers were told, not with what is stored: after a silence they were told `stale`."""
        readings = Readings(self.store, generation.number, self.definitions)
        before = self.publications.latest(wanted)
        sources = readings.sources(name for name in self.definitions.plan.indicators if name in wanted)
        found = []
        for name, source in sources.items():
            item = readings.item(name, source, on) | {"known_at": None, "lag_s": self._lag_s}
            if stale:
                item = staled(item)
            dims = dims_of(self.definitions.plan.indicators[name])
            breakdowns = {dim: readings.breakdown(name, source, on, dim) for dim in dims}
            last = before.get(name)
            if last is not None:
                last["item"] = self.publications.told(state, last["item"])
            found.append(compared(name, item, breakdowns, last))
        return found

    def _measure(self, generation: Generation, before_s: float) -> bool:
        now = time.monotonic()
        if now - self._measured >= LAG_EVERY_S:
            self._measured = now
            lags = self._lags(now, generation, before_s)
            self._lag_s = round(max(lags.values(), default=0.0), 1)
            for partition, lag_s in lags.items():
                LAG.labels(str(partition)).set(round(lag_s, 1))
        return self._lag_s > self.publications.stale_after_s

    def _lags(self, now: float, generation: Generation, before_s: float) -> dict[int, float]:
        """Seconds by partition. While the log is away readings are still announced, and turn stale in time.

        A publisher that takes over goes on from the lag that was announced: stale values must not seem fresh meanwhile.
        """
        try:
            ends = {topic: self.log.end_offsets(topic) for topic in TOPICS}
            self._reachable = True
        except Unavailable as away:
            self._reachable = False
            logger.warning("the log does not answer", reason=away.message)
            return self.lag.unknown(time.monotonic(), before_s)
        return self.lag.measure(now, ends, Positions(self.store, generation.number).read_all(), before_s)

    def _note_lag(self, state: Publication) -> None:
        if abs(self._lag_s - state.lag_s) >= 1.0 or (self._lag_s == 0.0) != (state.lag_s == 0.0):
            self.publications.note_lag(self._lag_s)
        elif self._measured - self._noted >= NOTE_EVERY_S:
            self.publications.note_measured()
        else:
            return
        self._noted = self._measured

    def _append(self, state: Publication) -> int:
        after = state.appended
        while self._reachable and after < state.sequence and (changes := self.publications.since(after, APPEND_PAGE)):
            try:
                self.log.append(INDICATORS, [(change["indicator"], event_bytes(change)) for change in changes])
            except Unavailable:  # stored and on the stream already; it goes out when the log answers again
                self._reachable = False
                break
            after = int(changes[-1]["_id"])
            self.publications.note_appended(after)
        return 0

    def _trim(self, changes: int) -> None:
        self._untrimmed += changes
        if self._untrimmed >= TRIM_EVERY:
            self._untrimmed = 0
            self.publications.trim(self.changes_kept)


def compared(name: str, item: Item, breakdowns: dict[str, list[Item]], before: dict[str, Any] | None) -> Announcement:
    """An announcement whose `cells` say what changed since `before`; None there when nothing did."""
    if before is None:
        return Announcement(name, item, breakdowns, breakdowns)
    cells = {dim: changed_cells(listed, before["breakdowns"].get(dim, [])) for dim, listed in breakdowns.items()}
    cells = {dim: changed for dim, changed in cells.items() if changed}
    kept = {field: before["item"].get(field) for field in ("sequence", "updated_at")}
    if _said(item) == _said(before["item"]) and not cells:
        return Announcement(name, item | kept, breakdowns, None)
    return Announcement(name, item, breakdowns, cells)


def changed_cells(now: list[Item], before: list[Item]) -> list[Item]:
    """Cells that are new or differ; one that went is given with zero."""
    old = {cell["key"]: cell for cell in before}
    found = [cell for cell in now if old.get(cell["key"]) != cell]
    gone = old.keys() - {cell["key"] for cell in now}
    return found + [_emptied(old[key]) for key in sorted(gone)]


def _emptied(cell: Item) -> Item:
    whole = cell["denominator"] is None
    return cell | {
        "value": 0 if whole else None,
        "numerator": 0,
        "denominator": None if whole else 0,
        "state": "ok" if whole else "not_applicable",
    }


def _said(item: Item) -> Item:
    return {name: value for name, value in item.items() if name not in UNSAID}


def event_bytes(change: dict[str, Any]) -> bytes:
    """A change as the CloudEvent of kechuang.indicators.v1."""
    cloud = {
        "specversion": "1.0",
        "id": f"indicator-{change['_id']}",
        "source": "/metrics",
        "type": "cn.kechuang.metrics.indicator.v1",
        "subject": f"indicators/{change['indicator']}",
        "time": change["at"],
        "datacontenttype": "application/json",
        "partitionkey": change["indicator"],
        "sequence": change["_id"],
        "data": change["item"] | {"cells": change["cells"]},
    }
    return json.dumps(cloud, ensure_ascii=False, separators=(",", ":")).encode("utf-8")


def main(environ: Mapping[str, str] | None = None) -> int:
    """Process entry: publishes while it holds the lease, stands by otherwise, until SIGTERM."""
    source = os.environ if environ is None else environ
    config = read(MetricsConfig, source)
    configure_logging("publish", config.log_level)
    stop = stopped_by_signal()
    client = connect(config.mongo_uri, config.database)
    end_what_died(client)
    serve_health(config.telemetry_port, [database_answers(client)])
    store = Store(client, config.database)
    patiently(stop, store.ensure)
    lease = Lease(store.leases, "publisher", new_id(), LEASE_S)
    publisher = Publisher(
        store,
        open_log(dict(source), client),
        Definitions.load(config.plan_dir),
        clock_from_environment(dict(source)),
        lease,
        stale_after_s=config.stale_after_s,
        changes_kept=config.changes_kept,
    )
    run(publisher, lease, Wake(store.dirty, [{"$match": {"operationType": "insert"}}]), stop, ClockCheck(client))
    return 0


def run(publisher: Publisher, lease: Lease, wake: Wake, stop: threading.Event, clock_check: ClockCheck) -> None:
    """Publish until told to stop; wait out whatever can be waited out. With a wrong clock it leaves the lease to others."""
    back_off = FIRST_BACK_OFF_S
    while not stop.is_set():
        beat()
        try:
            if not (clock_check.agrees() and lease.keep()):
                stop.wait(TICK_S)
                continue
            publisher.step()
            back_off = FIRST_BACK_OFF_S
        except (KechuangError, PyMongoError) as away:
            if isinstance(away, KechuangError) and not away.retriable:
                raise
            logger.warning("waiting for the store or the log", reason=str(away), seconds=back_off)
            stop.wait(back_off)
            back_off = min(back_off * 2, LAST_BACK_OFF_S)
            continue
        wake.wait(TICK_S)
    with suppress(PyMongoError):  # the next holder waits for its end then
        lease.release()
