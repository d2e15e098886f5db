from __future__ import annotations

import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from services.metrics.definitions import Definitions
from services.metrics.publisher import Publisher
from services.metrics.store.collections import Store
from services.metrics.store.publications import Publications
from shared.clock import FixedClock
from shared.log.embedded import EmbeddedLog
from shared.mongo import Client
from shared.relay.lease import Fenced, Lease
from tests.integration.metrics.district import FIRM, REGISTRY, Events, entry

DEADLINE_S = 60
Start = Callable[[str], "subprocess.Popen[bytes]"]


def until(done: Callable[[], bool]) -> None:
    """Wait for a condition, not for a time."""
    deadline = time.monotonic() + DEADLINE_S
    while not done():
        assert time.monotonic() < deadline
        time.sleep(0.02)


@pytest.fixture
def prefix(mongo: Client, database_name: str) -> Iterator[str]:
    yield database_name
    for name in ("metrics", "log"):
        mongo.drop_database(f"{database_name}_{name}")


@pytest.fixture
def start(mongo_uri: str, prefix: str) -> Iterator[Start]:
    running: list[subprocess.Popen[bytes]] = []

    def go(name: str) -> subprocess.Popen[bytes]:
        program = f"import sys; from services.metrics.{name} import main; sys.exit(main())"
        environ = {"MONGO_URI": mongo_uri, "DB_PREFIX": prefix, "PATH": ""}
        root = Path(__file__).parents[3]
        running.append(subprocess.Popen([sys.executable, "-c", program], env=environ, cwd=root))
        return running[-1]

    yield go
    for process in running:
        process.kill()
        process.wait()


def test_ingest_and_publisher_do_their_work_survive_a_kill_and_stop_when_told(
    start: Start, mongo: Client, prefix: str, events: Events
) -> None:
    store, log = Store(mongo, f"{prefix}_metrics"), EmbeddedLog(mongo, f"{prefix}_log")
    publications = Publications(store)
    ingest, publisher = start("ingest"), start("publisher")
    until(lambda: publications.state().published_as_of is not None)
    ingest.kill()
    log.append(REGISTRY, [entry(events.enterprise(FIRM, established_on="2010-01-01"))])
    log.append(REGISTRY, [entry(events.certificate("GR202544000001", FIRM))])
    ingest = start("ingest")
    until(lambda: (store.published.find_one({"_id": "hnte_count"}) or {}).get("item", {}).get("value") == 1)
    for process in (ingest, publisher):
        process.send_signal(signal.SIGTERM)
        assert process.wait(DEADLINE_S) == 0
    assert store.leases.find_one({"_id": "publisher"})["holder"] is None  # type: ignore[index]


def test_a_publisher_that_lost_its_lease_announces_nothing(
    store: Store, log: EmbeddedLog, definitions: Definitions, clock: FixedClock, publisher: Publisher, lease: Lease
) -> None:
    publisher.step()
    lease.release()
    other = Lease(store.leases, "publisher", "other", 60.0)
    assert other.acquire()
    stale = Publisher(store, log, definitions, clock, lease)
    with pytest.raises(Fenced):
        stale.step()
    assert Publications(store).state().sequence == 4
    assert store.changes.count_documents({}) == 4
