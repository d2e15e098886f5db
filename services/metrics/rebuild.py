"""Every indicator anew: a second generation is filled beside the active one and switched in, in one step.

From the log, or from the services' event feeds (when the log was lost or shortened). Ingest goes on meanwhile and
follows the switch; the publisher then announces whatever differs.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from itertools import islice
from typing import Any

import structlog
from bson import ObjectId
from pymongo.client_session import ClientSession

from services.metrics.config import MetricsConfig
from services.metrics.definitions import Definitions
from services.metrics.feeds import Feed, open_feeds, value_of, wait_published
from services.metrics.ingest import TOPICS, Ingest
from services.metrics.store.collections import Store
from services.metrics.store.generations import Generation, Generations
from services.metrics.store.positions import Position, Positions
from shared.clock import clock_from_environment
from shared.config import read
from shared.errors import ConfigError
from shared.health import beat
from shared.log.interface import Entry, Log
from shared.log.open import open_log
from shared.log.placement import partition_of
from shared.mongo import connect, transact
from shared.relay.lease import Lease

BATCH = 500
PENDING_WAIT_S = 30.0
OVERLAP = 10_000  # entries of a partition read again when a relay never came to rest: more than any relay's batch
LEASE_S, LOOK_S = 10.0, 0.5
Progress = Callable[[int], object]
logger = structlog.get_logger(__name__)


class Interrupted(ConfigError):
    """Told to stop before the new generation was complete; the old one stands."""

    code = "interrupted"


def ensure_current(store: Store, log: Log, definitions: Definitions, stop: threading.Event | None = None) -> Generation:
    """The active generation, rebuilt from the log first when it was made by other rules."""
    lease = Lease(store.leases, "rebuild", ttl_s=LEASE_S)
    stop = stop or threading.Event()
    while (active := Generations(store).first(definitions.digest)).digest != definitions.digest:
        beat()  # whoever waits for another's rebuild is alive, however long it takes
        if lease.keep():  # of several ingest processes one does it, the others wait for the switch
            logger.info("the plan's definitions changed, rebuilding from the log")
            try:
                return from_log(store, log, definitions, lambda _: lease.keep(), stop)
            finally:
                lease.release()
        if stop.wait(LOOK_S):
            raise Interrupted("stopped before the rebuild was complete")
    Generations(store).sweep()
    return active


def from_log(
    store: Store, log: Log, definitions: Definitions, progress: Progress | None = None, stop: threading.Event | None = None
) -> Generation:
    """Fold the whole log into a new generation and switch to it."""
    generation = Generations(store).new(definitions.digest)
    ingest = Ingest(store, log, definitions, batch=BATCH, generation=generation.number)
    try:
        _drain(ingest, progress, stop)
    except BaseException:
        Generations(store).discard(generation)
        raise
    _switch(store, generation, definitions)
    return generation


def from_stores(
    store: Store, log: Log, definitions: Definitions, feeds: list[Feed], progress: Progress | None = None
) -> Generation:
    """Fold the feeds into a new generation, then whatever the log got meanwhile, and switch to it."""
    ends = {topic: log.end_offsets(topic) for topic in TOPICS}
    settled = wait_published(feeds, PENDING_WAIT_S)
    generation = Generations(store).new(definitions.digest)
    ingest = Ingest(store, log, definitions, batch=BATCH, generation=generation.number)
    try:
        done = 0
        for feed in feeds:
            for batch in _batches(_entries(feed, log), BATCH):
                ingest.apply(batch)
                done += len(batch)
                if progress:
                    progress(done)
        _stand_at(store, generation, ends, 0 if settled else OVERLAP)
        ingest.reset()
        _drain(ingest, None, None)
    except BaseException:
        Generations(store).discard(generation)
        raise
    _switch(store, generation, definitions)
    return generation


def _drain(ingest: Ingest, progress: Progress | None, stop: threading.Event | None) -> None:
    done = 0
    while found := ingest.step():
        done += found
        if progress:
            progress(done)
        if stop is not None and stop.is_set():
            raise Interrupted("stopped before the rebuild was complete")


def _entries(feed: Feed, log: Log) -> Iterator[Entry]:
    """The feed's events as entries of a topic of their own, each in the partition that its key has in the log."""
    topic, counts, partitions = f"feed.{feed.service}", dict[int, int](), log.partitions(TOPICS[0])
    for event in feed.events():
        key = str(event.get("partitionkey") or "")
        partition = partition_of(key, partitions)
        counts[partition] = counts.get(partition, -1) + 1
        yield Entry(topic, partition, counts[partition], key, value_of(event))


def _batches(entries: Iterator[Entry], size: int) -> Iterator[list[Entry]]:
    while batch := list(islice(entries, size)):
        yield batch


def _stand_at(store: Store, generation: Generation, ends: Mapping[str, Mapping[int, int]], overlap: int) -> None:
    """Let the generation go on in the log from where it stood before the feeds were read."""
    positions = Positions(store, generation.number)
    stored = positions.read_all()
    offsets: dict[int, dict[str, int]] = {}
    for topic, partitions in ends.items():
        for partition, end in partitions.items():
            offsets.setdefault(partition, {})[topic] = max(end - 1 - overlap, -1)

    def work(session: ClientSession) -> None:
        for partition, to in offsets.items():
            positions.advance(session, stored.get(partition, Position(partition)), to)

    transact(store.client, work)


def _switch(store: Store, generation: Generation, definitions: Definitions) -> None:
    Generations(store).switch(generation)
    everything = sorted(definitions.plan.indicators)
    mark: dict[str, Any] = {"_id": ObjectId(), "gen": generation.number, "indicators": everything}
    store.dirty.insert_one(mark | {"at_ms": time.time_ns() // 1_000_000})  # wakes the publisher
    Generations(store).sweep()


def main(environ: Mapping[str, str] | None = None, source: str = "log", progress: Progress | None = None) -> int:
    """`kechuang rebuild [--from stores]`."""
    given = os.environ if environ is None else environ
    config = read(MetricsConfig, given)
    client = connect(config.mongo_uri, config.database, alias="metrics")
    store, definitions = Store(client, config.database), Definitions.load(config.plan_dir)
    store.ensure()
    log = open_log(dict(given), client)
    if source == "stores":
        made = from_stores(store, log, definitions, open_feeds(config.feed_urls(), config.kechuang_token), progress)
    else:
        made = from_log(store, log, definitions, progress)
    logger.info("rebuilt", generation=made.number, source=source, at=clock_from_environment(dict(given)).now().isoformat())
    return 0
