"""The benchmarks: `make bench`. They print figures, median (min–max), and judge nothing; bounded, loopback only."""

from __future__ import annotations

import argparse
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path

import httpx

from deploy.local.mongod import Mongod
from services.metrics.definitions import Definitions
from services.metrics.engine.dossier import Dossier, parse_event
from services.metrics.engine.rules import compile_plan
from services.metrics.ingest import Ingest
from services.metrics.plan.loader import load_plan
from services.metrics.store.collections import Store
from shared.events.topics import REGISTRY
from shared.log.embedded import EmbeddedLog
from shared.mongo import connect
from tests.bench import imports, kafka
from tests.bench.audit import audit
from tests.bench.measure import PLAN, cloud, history, rate, show
from tests.system.stack import Stack

ROUNDS, EVENTS, POSTS, GETS = 3, 6_000, 60, 300


def engine() -> None:
    """The pure engine, in memory."""
    rules = compile_plan(load_plan(PLAN))

    def fold(firms: int) -> int:
        dossiers: dict[str, Dossier] = {}
        for event in history(firms, EVENTS):
            dossiers.setdefault(event.key, Dossier(event.key)).fold([event], rules)
        return EVENTS

    show("engine, 2,000 subjects", "events/s", [rate(lambda: fold(2000)) for _ in range(ROUNDS)])
    show("engine, 200 subjects (30 records each)", "events/s", [rate(lambda: fold(200)) for _ in range(ROUNDS)])


def ingest(folder: Path) -> None:
    """From the embedded log to rows, steps and positions in MongoDB, beside a loop that only reads and decodes."""
    made = history(2000, EVENTS)
    durable, bare = [], []
    with Mongod(folder / "mongod") as server:
        for n in range(ROUNDS):
            client = connect(server.uri, f"bench_{n}", alias=f"bench_{n}")
            log = EmbeddedLog(client, f"bench_log_{n}")
            log.append(REGISTRY, [(event.key, cloud(event)) for event in made])
            store = Store(client, f"bench_{n}")
            store.ensure()
            worker = Ingest(store, log, Definitions.load(PLAN))
            durable.append(rate(lambda w=worker: (w.drain() and EVENTS) or EVENTS))
            bare.append(rate(lambda g=log: read_all(g)))
    ingested = show("ingest, log to MongoDB, durable", "events/s", durable)
    print(f"{'  ÷ reading and decoding the log only':<58} {ingested / show('reading and decoding the log', 'events/s', bare):>10.2f}")


def read_all(log: EmbeddedLog) -> int:
    """Read every partition to its end."""
    count = 0
    for partition in range(log.partitions(REGISTRY)):
        after = -1
        while entries := log.read(REGISTRY, partition, after, 500):
            count += len([parse_event(entry.value) for entry in entries])
            after = entries[-1].offset
    return count


def timed(work: Callable[[], object]) -> float:
    """Milliseconds."""
    begun = time.perf_counter()
    work()
    return (time.perf_counter() - begun) * 1000


def served(folder: Path) -> None:
    """Reading over HTTP, and from a POST to its event on an open stream."""
    stack = Stack(folder / "stack", "--demo")
    try:
        for path in ("/metrics/v1/indicators", "/metrics/-/live"):
            stack.http.get(path)
            values = sorted(timed(lambda p=path: stack.http.get(p)) for _ in range(GETS))
            show(f"GET {path}", "ms", values)
            print(f"{'  95th percentile':<58} {values[int(len(values) * 0.95)]:>10.1f} ms")
        latencies = sorted(post_to_stream(stack))
        show("POST to its stream event", "ms", latencies)
        print(f"{'  95th percentile':<58} {latencies[int(len(latencies) * 0.95)]:>10.1f} ms")
    finally:
        stack.stop()


def post_to_stream(stack: Stack) -> list[float]:
    """Milliseconds from sending an evidence item to the change of its indicator on the stream."""
    arrived, opened = threading.Semaphore(0), threading.Event()

    def follow() -> None:
        with httpx.Client(base_url=stack.url, timeout=60, trust_env=False) as client, \
                client.stream("GET", "/metrics/v1/stream", params={"indicators": "bay_coop_count"}) as answer:
            for line in answer.iter_lines():
                if line == "event: snapshot":
                    opened.set()
                if line == "event: indicator":
                    arrived.release()

    threading.Thread(target=follow, daemon=True).start()
    assert opened.wait(30)
    found = []
    for n in range(POSTS):
        body = {"indicator_id": "bay_coop_count", "title": f"合作{n}", "attested_on": "2026-06-01"}
        begun = time.perf_counter()
        stack.post("/registry/v1/evidence-items", body)
        assert arrived.acquire(timeout=10)
        found.append((time.perf_counter() - begun) * 1000)
    return found


def main() -> None:
    """All of them."""
    parser = argparse.ArgumentParser(prog="make bench", description=__doc__)
    parser.add_argument("--million", action="store_true", help="also with a million dossiers stored: some ten minutes more")
    parser.add_argument("--only", choices=["kafka", "audit", "imports"], help="these rows alone")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        if not options.only:
            engine()
            ingest(Path(name))
            served(Path(name))
        if options.only in (None, "audit"):
            audit(Path(name))
        if options.only in (None, "imports"):
            imports.run(Path(name) / "imports")
        if options.only in (None, "kafka"):
            kafka.run(Path(name), options.million)


if __name__ == "__main__":
    main()
