"""Several ingest processes share the partitions, on both logs: killed, frozen, joined by others, and nothing is bent."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import httpx
import pytest

from deploy.local.mongod import free_port
from services.metrics import rebuild
from services.metrics.config import PLAN
from services.metrics.definitions import Definitions
from services.metrics.ingest import TOPICS
from services.metrics.lag import folded
from services.metrics.store.collections import Store
from services.metrics.store.generations import Generations
from services.metrics.store.positions import Positions
from shared.events.topics import REGISTRY
from shared.log.interface import Item, Log
from shared.log.open import open_log
from shared.mongo import Client
from tests.integration.metrics.district import Events, entry
from tests.integration.metrics.test_rebuild import contents
from tests.system.made import uscc
from tests.system.stack import wait_until

FIRMS, DEADLINE_S = 60, 90.0
SESSION_S = 6.0


@pytest.fixture(params=["embedded", "kafka"])
def environ(request: pytest.FixtureRequest, mongo: Client, mongo_uri: str, database_name: str) -> Iterator[dict[str, str]]:
    told = {"MONGO_URI": mongo_uri, "DB_PREFIX": database_name, "PATH": "", "PLAN_DIR": PLAN}
    if request.param == "kafka":
        bootstrap = request.getfixturevalue("kafka").bootstrap
        told |= {"KAFKA_BOOTSTRAP": bootstrap, "KAFKA_PREFIX": f"{database_name}.", "KAFKA_SESSION_S": str(SESSION_S)}
    yield told
    for name in ("metrics", "log"):
        mongo.drop_database(f"{database_name}_{name}")


def alive(port: int) -> bool:
    with suppress(httpx.TransportError):
        return httpx.get(f"http://127.0.0.1:{port}/-/live", trust_env=False).is_success
    return False


@pytest.fixture
def start(environ: dict[str, str]) -> Iterator[Callable[[], subprocess.Popen[bytes]]]:
    """Starts a process and returns when it is at work."""
    running: list[subprocess.Popen[bytes]] = []

    def go() -> subprocess.Popen[bytes]:
        program = "import sys; from services.metrics.ingest import main; sys.exit(main())"
        port = free_port()
        told = environ | {"TELEMETRY_PORT": str(port)}
        running.append(subprocess.Popen([sys.executable, "-c", program], env=told, cwd=Path(__file__).parents[3]))
        wait_until(lambda: alive(port), DEADLINE_S, "a process that answers for itself, and so takes signals")
        return running[-1]

    yield go
    for process in running:
        process.kill()
        process.wait()


def history(events: Events, begin: int) -> list[Item]:
    """A firm each, its certificate, and the certificate's second version."""
    made = []
    for n in range(begin, begin + FIRMS):
        made += [events.enterprise(uscc(n)), events.certificate(f"GR2025{n:08d}", uscc(n))]
        made.append(events.certificate(f"GR2025{n:08d}", uscc(n), version=2, issued_on="2024-12-01", valid_to="2027-12-01"))
    return [entry(each) for each in made]


def held(store: Store, generation: int) -> object:
    """What a generation holds; a process keeps a dossier's rows in an order of its own."""
    rows, steps, bodies = contents(store, generation)
    dossiers = [json.loads(body) for body in bodies]
    return rows, steps, sorted(json.dumps(each | {"current": sorted(each["current"])}) for each in dossiers)


def stands_at_the_end(store: Store, log: Log) -> bool:
    active = Generations(store).active()
    ends = {topic: log.end_offsets(topic) for topic in TOPICS}
    return active is not None and folded(ends, Positions(store, active.number).read_all())


def test_processes_killed_frozen_and_joined_fold_everything_once(
    start: Callable[[], subprocess.Popen[bytes]], environ: dict[str, str], mongo: Client, database_name: str, events: Events
) -> None:
    store, log = Store(mongo, f"{database_name}_metrics"), open_log(environ, mongo)
    store.ensure()
    for topic in TOPICS:
        log.partitions(topic)
    first, second = start(), start()
    batches = iter(range(0, FIRMS * 20, FIRMS))

    def write() -> None:
        log.append(REGISTRY, history(events, next(batches)))

    def settled() -> bool:
        return stands_at_the_end(store, log)

    write()
    wait_until(settled, DEADLINE_S, "two processes fold everything")
    first.send_signal(signal.SIGSTOP)  # a zombie: its partitions go to others when its session ends
    write()
    wait_until(settled, DEADLINE_S, "the other takes over from the frozen one")
    write()
    first.send_signal(signal.SIGCONT)
    wait_until(settled, DEADLINE_S, "the zombie wakes and hurts nobody")
    third = start()
    write()
    second.kill()
    wait_until(settled, DEADLINE_S, "the others take over from the killed one")
    third.send_signal(signal.SIGTERM)
    assert third.wait(DEADLINE_S) == 0
    write()
    wait_until(settled, DEADLINE_S, "who stays takes over from who left")
    number = Generations(store).first("").number
    folded_by_many = held(store, number)
    first.kill()
    first.wait()
    made = rebuild.from_log(store, log, Definitions.load(PLAN))
    assert held(store, made.number) == folded_by_many
    assert store.dossiers.count_documents({}) == FIRMS * 5
    log.close()  # type: ignore[attr-defined]
