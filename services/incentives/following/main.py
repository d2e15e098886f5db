"""The process that follows both topics, keeps the registry's facts and offers what became due (`kechuang follow`)."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass

import structlog
from pymongo.errors import ConnectionFailure, PyMongoError

from services.incentives.applications import duties
from services.incentives.following.offering import Offering
from services.incentives.following.projection import EVERYBODY, Overtaken, Place, Projection
from shared import config
from shared.clock import today
from shared.errors import KechuangError
from shared.events.topics import INCENTIVES, REGISTRY
from shared.health import beat, database_answers, serve_health
from shared.log.dead_letters import Halted
from shared.log.interface import BEFORE_FIRST, Entry, Log
from shared.mongo import end_what_died
from shared.process import stopped_by_signal
from shared.records.write import Records

TOPICS = (REGISTRY, INCENTIVES)
BATCH_ENTRIES, BATCH_BYTES = 500, 2 << 20  # of one transaction; past some 20 MB it can fail
HALT_S = 5.0  # until a partition that is full of poison is tried again
SETTLE_EVERY_S = 30.0  # how soon a topic that was lost and made anew is noticed
IDLE_S = 1.0  # the safety net beside the log's wake-up, and how late a midnight may be noticed
FIRST_BACK_OFF_S, LAST_BACK_OFF_S = 0.1, 5.0
logger = structlog.get_logger(__name__)


@dataclass(frozen=True)
class Settings:
    """What the process reads from its environment besides the service's own settings."""

    telemetry_port: int = 0  # of `shared.health`; 0 = none
    log_level: str = "info"
    poison_window: int = 1_000  # entries of a topic's partition; when more than the next of them cannot be read,
    poison_limit: int = 500  # the partition is left alone and an alarm raised, rather than draining it into dead letters


class Follower:
    """Reads, folds, offers."""

    def __init__(self, records: Records, log: Log, *, poison_window: int = 1_000, poison_limit: int = 500) -> None:
        self.records, self.log = records, log
        self.projection = Projection(
            records.client, records.database, poison_window=poison_window, poison_limit=poison_limit
        )
        self.offering = Offering(records, self.projection)
        self.seen: dict[Place, int] | None = None
        self._settled = float("-inf")
        self._halted: dict[int, float] = {}  # partition -> when it is tried again, by the monotonic clock

    def prepare(self) -> None:
        """Make the collections, once the store is there."""
        self.records.ensure_collections()
        self.projection.ensure()

    def step(self) -> int:
        """One batch of the log, one round of offers and duties; how much there was to do."""
        self._new_day()
        return self._read() + self.offering.settle() + duties.serve(self.records) + duties.escalate(self.records)

    def run(self, stop: threading.Event) -> None:
        """Follow until told to stop; wait out a lost store or log."""
        back_off, prepared = FIRST_BACK_OFF_S, False
        while not stop.is_set():
            beat()
            try:
                if not prepared:
                    self.prepare()
                    prepared = True
                if not self.step():
                    self.log.wait(TOPICS, IDLE_S)
                back_off = FIRST_BACK_OFF_S
            except Overtaken:
                self.seen = None
            except (KechuangError, PyMongoError) as away:
                waited_for = isinstance(away, ConnectionFailure) or getattr(away, "retriable", False) or _transient(away)
                if not waited_for:
                    raise
                logger.warning("waiting for the store or the log", reason=type(away).__name__, seconds=back_off)
                self.seen = None
                stop.wait(back_off)
                back_off = min(back_off * 2, LAST_BACK_OFF_S)

    def _read(self) -> int:
        if time.monotonic() - self._settled > SETTLE_EVERY_S:
            if self.projection.settle(self.log, TOPICS):
                self.seen = None
            self._settled = time.monotonic()
        if self.seen is None:
            self.seen = self.projection.places()
            self.projection.halts.look()
        entries = list(self._behind(self.seen))
        if entries:
            try:
                self.seen |= self.projection.commit(entries, self.seen)
                self._go_on({entry.partition for entry in entries})
            except Halted as halted:
                self._halt(halted)
            except BaseException:
                self.seen = None
                raise
        return len(entries)

    def _halt(self, halted: Halted) -> None:
        """Leave the partition alone for a while; the others go on, and so do offers and duties."""
        self._halted[halted.partition] = time.monotonic() + HALT_S
        if self.projection.halts.note(halted):
            logger.critical("following has stopped at a partition", partition=halted.partition, reason=halted.message)

    def _go_on(self, partitions: set[int]) -> None:
        for partition in self.projection.halts.clear(partitions):
            self._halted.pop(partition, None)
            logger.info("following goes on at a partition", partition=partition)

    def _behind(self, seen: Mapping[Place, int]) -> list[Entry]:
        found: list[Entry] = []
        room, left, now = BATCH_ENTRIES, BATCH_BYTES, time.monotonic()
        for topic in TOPICS:
            for partition, end in sorted(self.log.end_offsets(topic).items()):
                at = seen.get((topic, partition), BEFORE_FIRST)
                if at + 1 >= end or room <= 0 or self._halted.get(partition, 0.0) > now:
                    continue
                for entry in self.log.read(topic, partition, at, room):
                    room, left = room - 1, left - len(entry.value)
                    found.append(entry)
                    if left <= 0:
                        return found
        return found

    def _new_day(self) -> None:
        """A condition may begin or cease to hold at midnight with no event: everybody is due once a day."""
        day = today(self.records.clock).isoformat()
        moved = self.projection.positions.find_one({"_id": "day"})
        if moved is None or moved["day"] < day:
            self.projection.mark([EVERYBODY])
            self.projection.positions.update_one({"_id": "day"}, {"$set": {"day": day}}, upsert=True)


def _transient(wrong: Exception) -> bool:
    return isinstance(wrong, PyMongoError) and wrong.has_error_label("TransientTransactionError")


def main(environ: Mapping[str, str] | None = None) -> int:
    """Process entry: follow until SIGTERM."""
    from services.incentives.app import records_of
    from shared.log.open import open_log
    from shared.telemetry import configure_logging

    source = os.environ if environ is None else environ
    settings = config.read(Settings, source)
    configure_logging("follow-incentives", settings.log_level)
    stop = stopped_by_signal()
    records = records_of(source)
    end_what_died(records.client)
    serve_health(settings.telemetry_port, [database_answers(records.client)])
    log = open_log(dict(source), records.client)
    Follower(records, log, poison_window=settings.poison_window, poison_limit=settings.poison_limit).run(stop)
    return 0
