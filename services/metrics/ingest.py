"""The metrics consumer: folds both topics into the active generation, one transaction a batch.

At least once becomes exactly once: state and position move together by compare-and-set. Poison goes to the dead
letters and the rest goes on; a lost database or log is waited for.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field

import structlog
from bson.errors import BSONError, InvalidDocument
from pymongo.client_session import ClientSession
from pymongo.errors import BulkWriteError, ConnectionFailure, DocumentTooLarge, PyMongoError

from services.metrics.config import MetricsConfig
from services.metrics.definitions import Definitions
from services.metrics.engine.dossier import Event, NoFigure, parse_event
from services.metrics.store.collections import Store
from services.metrics.store.folding import Folded, Folder, Placed
from services.metrics.store.generations import Generations
from services.metrics.store.positions import Overtaken, Position
from shared.config import read
from shared.errors import ConfigError, KechuangError, MalformedEvent
from shared.events.topics import INCENTIVES, REGISTRY
from shared.health import beat, database_answers, serve_health
from shared.log.consumer import Consumer, WholeLog
from shared.log.dead_letters import BURIED, DeadLetters, Halted, Poison
from shared.log.halts import Halts
from shared.log.interface import Entry, Log
from shared.log.open import open_consumer, open_log
from shared.log.placement import partition_of
from shared.mongo import connect, end_what_died
from shared.process import stopped_by_signal
from shared.telemetry import configure_logging, counter

TOPICS = (REGISTRY, INCENTIVES)
GROUP = "kechuang-metrics"
BATCH_BYTES = 2 << 20  # of event text; a transaction of more than some 20 MB can fail
IDLE_S = 1.0  # the safety net beside the log's wake-up
HALT_S = 5.0  # until a partition that is full of poison is tried again
SETTLE_EVERY_S = 30.0  # how soon a log that was lost and made anew is noticed
FIRST_BACK_OFF_S, LAST_BACK_OFF_S = 0.1, 5.0
POISONOUS = (ValueError, TypeError, OverflowError, RecursionError, BSONError, InvalidDocument, DocumentTooLarge, BulkWriteError)
FOLDED = counter("kechuang_events_folded_total", "Events folded into the active generation")
logger = structlog.get_logger(__name__)


@dataclass
class Batch:
    """Entries read from the log, and where each partition stands after them."""

    entries: list[Entry] = field(default_factory=list)

    def moves(self) -> dict[int, dict[str, int]]:
        """partition -> topic -> offset of the last entry."""
        found: dict[int, dict[str, int]] = {}
        for entry in self.entries:
            found.setdefault(entry.partition, {})[entry.topic] = entry.offset
        return found

    def halves(self) -> tuple[Batch, Batch]:
        """The same in two, to find the poison; order within a partition's topic is kept."""
        middle = len(self.entries) // 2
        return Batch(self.entries[:middle]), Batch(self.entries[middle:])


class Ingest:
    """Feeds the active generation, or the one that a rebuild is filling, with what `consumer` has (default: all there is)."""

    def __init__(
        self,
        store: Store,
        log: Log,
        definitions: Definitions,
        *,
        batch: int = 500,
        generation: int | None = None,
        consumer: Consumer | None = None,
        poison_window: int = 1_000,
        poison_limit: int = 500,
    ) -> None:
        self.store = store
        self.log = log
        self.consumer = consumer or WholeLog(log, TOPICS)
        self.definitions = definitions
        self.batch = batch
        self.fixed = generation
        self.letters = DeadLetters(store.dead_letters)
        self.halts = Halts(store.state, "ingest")
        self.poison_window, self.poison_limit = poison_window, poison_limit
        self.folder: Folder | None = None
        self.positions: dict[int, Position] = {}
        self._settled = float("-inf")
        self._partitions = 0
        self._halted: dict[int, float] = {}  # partition -> when it is tried again, by the monotonic clock

    def step(self) -> int:
        """Fold one batch; how many entries it had. Raises Overtaken when another process moved a partition."""
        beat()
        folder = self._folder()
        self._assign(folder)
        batch = Batch(self.consumer.fetch(self._offsets(), self.batch, BATCH_BYTES))
        if batch.entries:
            try:
                self._apply(folder, batch)
            except BaseException:
                self.reset()
                raise
            moved = batch.moves().keys()
            self.consumer.done({p: to for p, to in self._offsets().items() if p in moved})
            self._go_on(set(moved))
        return len(batch.entries)

    def apply(self, entries: Sequence[Entry]) -> None:
        """Fold entries that came by another way than the log; their topic has a position of its own."""
        folder = self._folder()
        self._assign(folder)
        try:
            self._apply(folder, Batch(list(entries)))
        except BaseException:
            self.reset()
            raise

    def drain(self) -> int:
        """Fold until nothing is left; how many entries there were."""
        total = 0
        while found := self.step():
            total += found
        return total

    def run(self, stop: threading.Event) -> None:
        """Fold until told to stop; wait out whatever can be waited out."""
        back_off = FIRST_BACK_OFF_S
        while not stop.is_set():
            try:
                if not self.step():
                    self.consumer.wait(IDLE_S)
                back_off = FIRST_BACK_OFF_S
            except Overtaken:
                logger.info("overtaken by another consumer, reading positions again")
            except Halted as halted:
                self._halt(halted)
            except (KechuangError, PyMongoError) as away:
                if isinstance(away, KechuangError) and not away.retriable:
                    raise
                logger.warning("waiting for the store or the log", reason=str(away), seconds=back_off)
                stop.wait(back_off)
                back_off = min(back_off * 2, LAST_BACK_OFF_S)

    def _halt(self, halted: Halted) -> None:
        """Leave the partition alone for a while; the others go on, and what lags turns stale."""
        self._halted[halted.partition] = time.monotonic() + HALT_S
        if self.halts.note(halted):
            logger.critical("ingest has stopped at a partition", partition=halted.partition, reason=halted.message)

    def _go_on(self, partitions: set[int]) -> None:
        for partition in self.halts.clear(partitions):
            self._halted.pop(partition, None)
            logger.info("ingest goes on at a partition", partition=partition)

    def reset(self) -> None:
        """Forget positions and dossiers in memory."""
        self.positions = {}
        if self.folder:
            self.folder.forget()

    def _folder(self) -> Folder:
        number = self.fixed or self._active()
        if self.folder is None or self.folder.generation != number:
            self.folder = Folder(self.store, number, self.definitions.rules)
            self.positions = {}
            self._settled = float("-inf")
        if time.monotonic() - self._settled > SETTLE_EVERY_S:
            self._partitions = self.folder.positions.settle(self.store.client, self.log, TOPICS)
            self._settled = time.monotonic()
            self.reset()
        return self.folder

    def _assign(self, folder: Folder) -> None:
        """Follow the partitions that are this process's now. What it knew of one it lost may be old when it comes back."""
        mine = self.consumer.partitions()
        if lost := self.positions.keys() - mine:
            folder.forget()
            self.halts.leave(lost)
            for partition in lost:
                del self.positions[partition]
        if come := mine - self.positions.keys():
            stored = folder.positions.read_all()
            self.halts.look()
            self.positions |= {p: stored.get(p, Position(p)) for p in come}

    def _offsets(self) -> dict[int, Mapping[str, int]]:
        now = time.monotonic()
        return {p: position.offsets for p, position in self.positions.items() if self._halted.get(p, 0.0) <= now}

    def _active(self) -> int:
        active = Generations(self.store).first(self.definitions.digest)
        if active.digest != self.definitions.digest:
            raise ConfigError("the active generation was made by other definitions than this process has: start it anew")
        return active.number

    def _apply(self, folder: Folder, batch: Batch) -> None:
        try:
            self._commit(folder, batch)
        except POISONOUS as wrong:
            if _transient(wrong):
                raise
            folder.forget()
            if len(batch.entries) == 1:
                self._bury(batch, f"{type(wrong).__name__}: {wrong}")
                return
            for half in batch.halves():
                self._apply(folder, half)

    def _commit(self, folder: Folder, batch: Batch) -> None:
        placed, poison = parsed(batch.entries, self._partitions)
        folded = folder.fold([item for item, _ in placed])
        by_event = {id(item.event): entry for item, entry in placed}
        poison += [Poison(by_event[id(event)], reason) for event, reason in folded.rejected]
        self._write(folder, folded, batch, poison)

    def _write(self, folder: Folder, folded: Folded, batch: Batch, poison: list[Poison]) -> None:
        if self.fixed is None:  # a rebuild has the letters of the generation before; it must come to its end
            self.letters.demand_room(poison, self.poison_window, self.poison_limit)

        def bury(session: ClientSession) -> None:
            self.letters.write(session, poison, time.time_ns() // 1_000_000)

        moved = folder.commit(folded, self.positions, batch.moves(), also=bury if poison else None)
        self.positions.update(moved)
        FOLDED.inc(len(batch.entries) - len(poison))
        BURIED.inc(len(poison))
        for letter in poison:
            logger.warning("dead letter", topic=letter.entry.topic, offset=letter.entry.offset, reason=letter.reason)

    def _bury(self, batch: Batch, reason: str) -> None:
        assert self.folder is not None
        self._write(self.folder, Folded(), batch, [Poison(batch.entries[0], reason)])


def parsed(entries: Sequence[Entry], partitions: int) -> tuple[list[tuple[Placed, Entry]], list[Poison]]:
    """Entries as events, and those that cannot be read or lie where another process would not expect them."""
    good: list[tuple[Placed, Entry]] = []
    poison: list[Poison] = []
    for entry in entries:
        try:
            good.append((Placed(entry.partition, event_of_entry(entry, partitions)), entry))
        except NoFigure:
            continue
        except MalformedEvent as wrong:
            poison.append(Poison(entry, wrong.message))
    return good, poison


def event_of_entry(entry: Entry, partitions: int) -> Event:
    """An entry's event. Raises MalformedEvent, also when it lies under a key, or in a partition, not its subject's."""
    event = parse_event(entry.value)
    if event.key != entry.key:
        raise MalformedEvent(f"the event belongs to {event.key!r} but lies under the key {entry.key!r}")
    if (home := partition_of(entry.key, partitions)) != entry.partition:
        raise MalformedEvent(f"the key {entry.key!r} belongs into partition {home}, not {entry.partition}")
    return event


def _transient(wrong: BaseException) -> bool:
    return isinstance(wrong, PyMongoError) and (
        wrong.has_error_label("TransientTransactionError") or wrong.has_error_label("RetryableWriteError")
    )


def patiently(stop: threading.Event, work: Callable[[], object]) -> None:
    """Do it, waiting as long as the store or the log is away. Raises what waiting cannot cure."""
    back_off = FIRST_BACK_OFF_S
    while not stop.is_set():
        beat()
        try:
            work()
            return
        except (KechuangError, ConnectionFailure) as away:
            if isinstance(away, KechuangError) and not away.retriable:
                raise
            logger.warning("waiting for the store or the log", reason=type(away).__name__, seconds=back_off)
            stop.wait(back_off)
            back_off = min(back_off * 2, LAST_BACK_OFF_S)


def main(environ: Mapping[str, str] | None = None) -> int:
    """Process entry: brings the active generation to the present rules, then folds until SIGTERM."""
    from services.metrics.rebuild import Interrupted, ensure_current

    source = os.environ if environ is None else environ
    config = read(MetricsConfig, source)
    configure_logging("ingest", config.log_level)
    stop = stopped_by_signal()
    client = connect(config.mongo_uri, config.database)
    end_what_died(client)
    serve_health(config.telemetry_port, [database_answers(client)])
    store = Store(client, config.database)
    definitions = Definitions.load(config.plan_dir)
    log = open_log(dict(source), client)
    try:
        patiently(stop, store.ensure)
        patiently(stop, lambda: ensure_current(store, log, definitions, stop=stop))
    except Interrupted:
        return 0
    consumer = open_consumer(dict(source), client, GROUP, TOPICS)
    Ingest(
        store, log, definitions, batch=config.ingest_batch, consumer=consumer,
        poison_window=config.poison_window, poison_limit=config.poison_limit,
    ).run(stop)
    with suppress(KechuangError):  # the others wait for its session's end then
        consumer.close()
    return 0
