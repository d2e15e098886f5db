"""The relay as its own process: killed at any moment it loses nothing, and it ends in good order when told to."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator

import pytest

from deploy.local.mongod import die_with_parent
from shared.clock import format_instant, from_ms
from shared.errors import ConfigError
from shared.events.topics import INCENTIVES
from shared.ids import new_id
from shared.log.embedded import EmbeddedLog
from shared.mongo import Client, Document
from shared.relay.main import run
from tests.contract.log_contract import all_of

LONG_S = 60.0
ENTRY = "import sys; from shared.relay.main import run; sys.exit(run('incentives'))"
KILLS = 8
DEADLINE_S = 120



class Service:
    """A service's database, and the relay processes that were started for it."""

    def __init__(self, client: Client, uri: str, prefix: str) -> None:
        self.changes = client[f"{prefix}_incentives"]["changes"]
        self.log = EmbeddedLog(client, f"{prefix}_log")
        self.environ = os.environ | {"MONGO_URI": uri, "DB_PREFIX": prefix, "RELAY_BATCH": "20", "RELAY_LEASE_S": "1"}
        self.started: list[subprocess.Popen[bytes]] = []

    def start(self) -> subprocess.Popen[bytes]:
        process = subprocess.Popen([sys.executable, "-c", ENTRY], env=self.environ, stdout=subprocess.PIPE, preexec_fn=die_with_parent)
        self.started.append(process)
        return process

    def write(self, records: int, version: int) -> None:
        self.changes.insert_many([change(f"r{n}", version) for n in range(records)])

    def await_end(self, topic: str, count: int) -> None:
        """Return when the log has at least `count` entries. AssertionError when it never has."""
        deadline = time.monotonic() + DEADLINE_S
        while sum(self.log.end_offsets(topic).values()) < count:
            assert self.started[-1].poll() is None, "the relay ended by itself"
            assert time.monotonic() < deadline, f"fewer than {count} entries after {DEADLINE_S} s"
            self.log.wait([topic], 1.0)


def change(record_id: str, version: int) -> Document:
    return {
        "_id": new_id(), "kind": "introductions", "event": "introduction", "record_id": record_id, "version": version, "keys": [f"p_{record_id}"],
        "action": "amend", "actor": "a", "time": format_instant(from_ms(0)), "after": {"id": record_id}, "published": False,
        "position": None,
    }


@pytest.fixture
def service(mongo: Client, mongo_uri: str, database_name: str) -> Iterator[Service]:
    made = Service(mongo, mongo_uri, database_name)
    yield made
    for process in made.started:
        process.kill()
        process.communicate()
    made.log.close()
    for suffix in ("incentives", "log"):
        mongo.drop_database(f"{database_name}_{suffix}")


def test_killed_again_and_again_it_loses_nothing_and_keeps_the_order(service: Service) -> None:
    for version in range(1, KILLS + 1):
        process = service.start()
        service.write(60, version)
        service.await_end(INCENTIVES, (version - 1) * 60 + 7 * version)  # somewhere in the middle
        process.kill()
        process.wait()
    service.start()
    while service.changes.count_documents({"published": False}):
        service.log.wait([INCENTIVES], 1.0)
    versions: dict[str, list[int]] = {}
    for entry in all_of(service.log, INCENTIVES):
        found = versions.setdefault(entry.key, [])
        number = int(entry.value.split(b'"sequence":')[1].split(b",")[0])
        if number not in found:
            found.append(number)
    assert versions == {f"p_r{n}": list(range(1, KILLS + 1)) for n in range(60)}
    positions = [c["position"] for c in service.changes.find().sort("position", 1)]
    assert positions == list(range(1, 60 * KILLS + 1))


def test_a_frozen_relay_that_wakes_up_replaced_adds_nothing(service: Service) -> None:
    frozen = service.start()
    service.write(60, 1)
    service.await_end(INCENTIVES, 60)
    frozen.send_signal(signal.SIGSTOP)
    service.start()
    service.write(60, 2)
    while service.changes.count_documents({"published": False}):
        service.log.wait([INCENTIVES], 1.0)
    before = service.log.end_offsets(INCENTIVES)
    frozen.send_signal(signal.SIGCONT)
    frozen.terminate()
    assert frozen.wait(LONG_S) == 0
    assert service.log.end_offsets(INCENTIVES) == before


def test_told_to_stop_it_ends_well_and_leaves_the_lease(service: Service, mongo: Client) -> None:
    process = service.start()
    service.write(3, 1)
    service.await_end(INCENTIVES, 3)
    process.terminate()
    assert process.wait(LONG_S) == 0
    (lease,) = mongo[service.changes.database.name]["leases"].find()
    assert lease["holder"] is None


def test_what_is_missing_is_named() -> None:
    with pytest.raises(ConfigError, match="MONGO_URI"):
        run("registry", {})
