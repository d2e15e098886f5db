"""Both services with their relays, a log, and incentives' follower, all in process over the real MongoDB."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import mongoengine
import pytest

from services.incentives.app import records_of
from services.incentives.following.main import Follower
from shared.clock import SHANGHAI, DemoClock
from shared.log.embedded import EmbeddedLog
from shared.relay.lease import Lease
from shared.relay.relay import Relay
from tests.integration.records.conftest import Office
from tests.system.made import introduction

START = datetime(2026, 6, 30, 9, 0, tzinfo=SHANGHAI)


class District(Office):
    """The office of both services with what runs behind them; `settle` lets all of it come to rest."""

    def __init__(self, mongo_uri: str, folder: Path) -> None:
        self.clock = DemoClock.create(folder / "clock", START)
        super().__init__(mongo_uri, folder, {"DEMO_CLOCK_FILE": str(folder / "clock")})
        self.records = records_of(self.environ)
        client, prefix = self.records.client, self.environ["DB_PREFIX"]
        self.log = EmbeddedLog(client, f"{prefix}_log")
        self.relays = [self._relay(service) for service in ("registry", "incentives")]
        self.follower = Follower(self.records, self.log)

    def _relay(self, service: str) -> Relay:
        database = f"{self.environ['DB_PREFIX']}_{service}"
        lease = Lease(self.records.client[database]["leases"], "relay", "test", 600)
        assert lease.acquire()
        return Relay(service, self.records.client, database, self.log, lease)

    def settle(self) -> None:
        """Publish every change, follow it, and again, until nothing is left to do."""
        while sum(relay.drain() for relay in self.relays) + self.follower.step():
            pass

    def policy(self, body: dict[str, Any]) -> Any:
        """A policy that one officer drafted and another signed."""
        draft = self.make("/incentives/v1/policies", body, by="plan_officer:editor")
        return self.act(f"/incentives/v1/policies/{draft['id']}", 1, "sign", by="plan_officer:signer")

    def offers(self, **filters: str) -> list[Any]:
        query = "&".join(f"{name}={value}" for name, value in filters.items())
        return list(self.call("GET", f"/incentives/v1/offers?{query}", by="auditor").json["items"])


def make_policy(code: str, **more: Any) -> dict[str, Any]:
    """A policy that pays every enterprise with a valid certificate 1,000 yuan."""
    return {
        "policy_code": code, "version_no": 1, "title": {"zh": "示范奖补", "en": "Sample grant"}, "clause": "示范办法第一条",
        "beneficiary": "enterprise", "window": {"from": "2026-01-01", "to": "2027-01-01"}, "reference_date": {"rule": "application"},
        "conditions": [condition("certificate", "enterprise.hnte", "==", "true")],
        "items": [{"code": "one", "title": {"zh": "一次性", "en": "Once"}, "amount": "100000"}],
        "publicity_working_days": 5, "approval_bands": [{"approvals": 1}], "without_application": True,
    } | more


def condition(name: str, value: str, operator: str, threshold: str) -> dict[str, Any]:
    return {"name": name, "text": {"zh": f"条件{name}", "en": f"Condition {name}"}, "value": value, "operator": operator,
            "threshold": threshold}


def graduate(number: str, firm: str, hired_on: str = "2026-03-01", degree: str = "master", **more: Any) -> dict[str, Any]:
    """An introduction that fulfils everything."""
    body = introduction(number, "欧阳明珠", firm, "441502100", hired_on, degree)
    return body | {"social_ins_first_month": hired_on[:7], "graduated_on": "2025-06-30"} | more


@pytest.fixture(scope="module")
def district(mongo_uri: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[District]:
    """A district of its own for each module."""
    patch = pytest.MonkeyPatch()
    patch.setenv("SYNTHETIC_IDS", "true")
    mongoengine.disconnect_all()
    made = District(mongo_uri, Path(tmp_path_factory.mktemp("district")))
    yield made
    for database in made.records.client.list_database_names():
        if database.startswith(made.environ["DB_PREFIX"]):
            made.records.client.drop_database(database)
    mongoengine.disconnect_all()
    patch.undo()
