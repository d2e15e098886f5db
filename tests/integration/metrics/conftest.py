from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from services.metrics.definitions import Definitions
from services.metrics.ingest import Ingest
from services.metrics.publisher import Publisher
from services.metrics.store.collections import Store
from shared.clock import SHANGHAI, FixedClock
from shared.log.embedded import EmbeddedLog
from shared.mongo import Client
from shared.relay.lease import Lease
from tests.integration.metrics.district import Events, entry, make_definitions
from tests.integration.metrics.web import Web


@pytest.fixture
def store(mongo: Client, database_name: str) -> Store:
    made = Store(mongo, database_name)
    made.ensure()
    return made


@pytest.fixture
def log(mongo: Client, database_name: str) -> EmbeddedLog:
    return EmbeddedLog(mongo, database=f"{database_name}_log")


@pytest.fixture(autouse=True)
def _tidy(mongo: Client, database_name: str) -> Any:
    yield
    mongo.drop_database(f"{database_name}_log")


@pytest.fixture(scope="session")
def definitions() -> Definitions:
    return make_definitions()


@pytest.fixture
def events() -> Events:
    return Events()


@pytest.fixture
def clock() -> FixedClock:
    return FixedClock(datetime(2026, 6, 30, 8, 0, tzinfo=SHANGHAI))


@pytest.fixture
def ingest(store: Store, log: EmbeddedLog, definitions: Definitions) -> Ingest:
    return Ingest(store, log, definitions)


@pytest.fixture
def lease(store: Store) -> Lease:
    made = Lease(store.leases, "publisher", "test", 60.0)
    assert made.acquire()
    return made


@pytest.fixture
def publisher(store: Store, log: EmbeddedLog, definitions: Definitions, clock: FixedClock, lease: Lease) -> Publisher:
    return Publisher(store, log, definitions, clock, lease)


@pytest.fixture
def feed(log: EmbeddedLog, ingest: Ingest, publisher: Publisher) -> Callable[..., int]:
    """Append events to a topic, fold them, publish; how many changes were announced."""

    def give(*made: dict[str, Any], topic: str = "kechuang.registry.v1") -> int:
        log.append(topic, [entry(event) for event in made])
        ingest.drain()
        return publisher.step()

    return give


@pytest.fixture
def web(store: Store, definitions: Definitions, clock: FixedClock, tmp_path: Path) -> Iterator[Web]:
    made = Web(store, definitions, clock, tmp_path)
    yield made
    made.hub.close()
