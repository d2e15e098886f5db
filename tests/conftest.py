"""Fixtures that every suite shares: one real MongoDB (replica set) for the session, one fresh database a test."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import mongoengine
import pytest

from deploy.local.kafka.broker import Kafka
from deploy.local.kafka.jars import missing_tools
from deploy.local.mongod import Mongod
from shared.ids import new_id
from shared.mongo import Client, connect


@pytest.fixture(scope="session")
def mongo_uri(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """URI of a real one-node replica set."""
    with Mongod(Path(tmp_path_factory.mktemp("mongod"))) as server:
        yield server.uri


@pytest.fixture(scope="session")
def kafka(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kafka]:
    """A real broker."""
    if lacking := missing_tools():
        pytest.skip(lacking)
    with Kafka(Path(tmp_path_factory.mktemp("kafka"))) as cluster:
        yield cluster


@pytest.fixture
def database_name() -> str:
    """A name nobody else uses."""
    return f"t_{new_id().lower()}"


@pytest.fixture
def mongo(mongo_uri: str, database_name: str) -> Iterator[Client]:
    """A connected client whose mongoengine default alias is the fresh database."""
    mongoengine.disconnect_all()
    client = connect(mongo_uri, database_name)
    yield client
    client.drop_database(database_name)
    mongoengine.disconnect_all()
