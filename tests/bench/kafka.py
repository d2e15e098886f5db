"""Ingest from Apache Kafka: with 1, 2 and 4 partitions and processes, and with ever more dossiers stored."""

from __future__ import annotations

import random
import resource
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from kafka import KafkaAdminClient, KafkaConsumer, TopicPartition
from kafka.errors import KafkaError

from deploy.local.kafka.broker import Kafka
from deploy.local.kafka.jars import missing_tools
from deploy.local.mongod import Mongod
from services.metrics.definitions import Definitions
from services.metrics.engine.dossier import Event
from services.metrics.ingest import TOPICS, Ingest
from services.metrics.lag import folded
from services.metrics.store.collections import Store
from services.metrics.store.generations import Generations
from services.metrics.store.positions import Positions
from shared.events.topics import REGISTRY
from shared.log.interface import Item, Log
from shared.log.kafka import KafkaLog
from shared.log.kafka_config import KafkaConfig
from shared.mongo import Client, connect
from tests.bench.measure import PLAN, cloud, history, show
from tests.system.made import uscc_of
from tests.system.stack import wait_until

ROUNDS, EVENTS, PROCESSES = 3, 12_000, (1, 2, 4)
# Four processes are more than the two cores of the reference machine: that row tells what crowding costs.
STORED = (10_000, 100_000)
MILLION = 1_000_000
MEASURED, PAGE, LIMIT_S = 6_000, 5_000, 300.0
INGEST = "import sys; from services.metrics.ingest import main; sys.exit(main())"


def run(folder: Path, million: bool) -> None:
    """Both."""
    if lacking := missing_tools():
        print(f"left out: ingest from Kafka ({lacking})")
        return
    with Kafka(folder / "kafka") as cluster, Mongod(folder / "mongod-kafka") as server:
        scaled(cluster.bootstrap, server.uri)
        stored(server.uri, cluster.bootstrap, (*STORED, MILLION) if million else STORED)


def scaled(bootstrap: str, uri: str) -> None:
    """Events a second of n processes on n partitions; a bare consumer loop reads the same topic in the same round."""
    items = [(event.key, cloud(event)) for event in history(2000, EVENTS)]
    ours: dict[int, list[float]] = {n: [] for n in PROCESSES}
    bare: dict[int, list[float]] = {n: [] for n in PROCESSES}
    for turn in range(ROUNDS):
        for n in PROCESSES:
            name = f"bench_{turn}_{n}"
            config = KafkaConfig(bootstrap, kafka_prefix=f"{name}.", kafka_partitions=n)
            client = connect(uri, f"{name}_metrics", alias=name)
            log = KafkaLog(config)
            ours[n].append(EVENTS / folding(client, log, name, uri, n, items))
            bare[n].append(EVENTS / reading(config, n))
            log.close()
            client.drop_database(f"{name}_metrics")
    for n in PROCESSES:
        middle = show(f"ingest from Kafka, {n} partitions, {n} processes", "events/s", ours[n])
        print(f"{'  ÷ a bare kafka-python consumer loop':<58} {middle / show('  that loop', 'events/s', bare[n]):>10.3f}")


def folding(client: Client, log: Log, prefix: str, uri: str, processes: int, items: list[Item]) -> float:
    """Seconds from the first event on the log to the last in the store; the processes wait for work by then."""
    store = Store(client, f"{prefix}_metrics")
    store.ensure()
    for topic in TOPICS:
        log.partitions(topic)
    config = log.config  # type: ignore[attr-defined]
    environ = {
        "MONGO_URI": uri, "DB_PREFIX": prefix, "KAFKA_BOOTSTRAP": config.kafka_bootstrap, "KAFKA_PREFIX": config.kafka_prefix,
        "PATH": "", "LOG_LEVEL": "info",
    }
    started = [subprocess.Popen([sys.executable, "-c", INGEST], env=environ, stdout=subprocess.PIPE) for _ in range(processes)]
    try:
        _await_members(config, processes)
        begun = time.perf_counter()
        for start in range(0, len(items), PAGE):
            log.append(REGISTRY, items[start : start + PAGE])
        wait_until(lambda: _at_end(store, log), LIMIT_S)
        return time.perf_counter() - begun
    finally:
        for process in started:
            process.kill()
            process.communicate()


def _await_members(config: KafkaConfig, processes: int) -> None:
    """Return when the group is stable with everyone in it, each with a partition."""
    admin = KafkaAdminClient(**config.client())
    group = config.named("kechuang-metrics")

    def stable() -> bool:
        try:
            found: Any = admin.describe_groups([group])[group]
        except KafkaError:  # the coordinator is not there yet
            return False
        return found["group_state"] == "Stable" and len(found["members"]) == processes and all(
            member["member_assignment"] and member["member_assignment"]["assigned_partitions"] for member in found["members"]
        )

    wait_until(stable, LIMIT_S, "the group")
    admin.close()


def _at_end(store: Store, log: Log) -> bool:
    active = Generations(store).active()
    ends = {topic: log.end_offsets(topic) for topic in TOPICS}
    return active is not None and folded(ends, Positions(store, active.number).read_all())


def reading(config: KafkaConfig, partitions: int) -> float:
    """Seconds of a loop that only polls, one process."""
    consumer = KafkaConsumer(**config.consumer())
    places = [TopicPartition(config.named(REGISTRY), partition) for partition in range(partitions)]
    consumer.assign(places)
    consumer.seek_to_beginning(*places)
    begun, count = time.perf_counter(), 0
    while count < EVENTS:
        count += sum(len(found) for found in consumer.poll(timeout_ms=1_000).values())
    took = time.perf_counter() - begun
    consumer.close()
    return took


def stored(uri: str, bootstrap: str, sizes: tuple[int, ...]) -> None:
    """Microseconds an event when so many dossiers are there already, and the process's memory."""
    name = "bench_stored"
    client = connect(uri, f"{name}_metrics", alias=name)
    store = Store(client, f"{name}_metrics")
    store.ensure()
    log = KafkaLog(KafkaConfig(bootstrap, kafka_prefix=f"{name}."))
    ingest = Ingest(store, log, Definitions.load(PLAN))
    there, serial, base = 0, 0, 0.0
    for size in sizes:
        for page in _pages(there, size):
            log.append(REGISTRY, page)
            ingest.drain()
        there = size
        chosen = random.Random(size)
        measured = []
        for _ in range(ROUNDS):
            made = []
            for _ in range(MEASURED // ROUNDS):
                serial += 1
                made.append((firm := firm_code(chosen.randrange(size)), cloud(_certificate(firm, serial))))
            log.append(REGISTRY, made)
            begun = time.perf_counter()
            ingest.drain()
            measured.append((time.perf_counter() - begun) / len(made) * 1e6)
        middle = show(f"ingest, {size:,} dossiers stored", "µs/event", measured)
        base = base or middle
        rss = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        print(f"{f'  ÷ with {sizes[0]:,} stored; peak memory':<58} {middle / base:>10.2f} {rss:>9,.0f} MB")
    log.close()


def firm_code(n: int) -> str:
    """A code for each of a hundred million firms."""
    return uscc_of(f"{n:08d}")


def _pages(begin: int, end: int) -> Iterator[list[Item]]:
    for start in range(begin, end, PAGE):
        yield [(firm := firm_code(n), cloud(_firm(firm, n))) for n in range(start, min(start + PAGE, end))]


def _firm(firm: str, n: int) -> Event:
    data = {"state": "active", "established_on": "2015-01-01", "town_code": "441502100", "industry_code": "3974"}
    return Event(firm, "enterprises", firm, 1, n + 1, data, f"e{n}")


def _certificate(firm: str, n: int) -> Event:
    data = {"state": "verified", "uscc": firm, "issued_on": f"2024-12-{1 + n % 28:02d}"}
    return Event(firm, "hnte-certificates", f"GR{n:012d}", 1, 50_000_000 + n, data, f"c{n}")
