"""An office with a policy, a budget and persons to award, and a clock that moves."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import count
from pathlib import Path
from typing import Any

import mongoengine
import pytest

from shared.auth.principal import Principal
from shared.clock import DemoClock, parse_instant
from tests.integration.records.conftest import Office
from tests.system.made import HONGCAO, citizen_id, introduction, uscc

BASE = "/incentives/v1"
APPLICATIONS = f"{BASE}/applications"
FIRM = uscc(1)
YUAN = 100
NAME = "欧阳明珠"
NUMBERS = count(1)
STEPS = {  # a whole life, hand by hand
    "submit": f"enterprise_agent:agent:{FIRM}", "accept": f"town_reviewer:town:{HONGCAO}", "review": "bureau_reviewer:second",
    "propose": "bureau_reviewer:second", "publish": "bureau_approver:signer", "approve": "bureau_approver:chief",
    "order_payment": "treasury_officer:orders", "release_payment": "treasury_officer:releases", "confirm_payment": "treasury_officer:bank",
    "order_clawback": "bureau_approver:recovers", "record_recovery": "treasury_officer:books",
}  # fmt: skip


def policy(code: str, budget: str | None = None, **more: Any) -> dict[str, Any]:
    names = {"zh": f"政策{code}", "en": f"Policy {code}"}
    condition = {"name": "registered", "text": names, "value": "introduction.registered", "operator": "==", "threshold": "true"}
    items = [
        {"code": "doctor", "title": names, "when": "introduction.degree_level == 'doctor'", "amount": "5000000"},
        {"code": "bachelor", "title": names, "amount": "1000000"},
    ]
    return {
        "policy_code": code, "version_no": 1, "title": names, "clause": "第一条", "beneficiary": "person",
        "window": {"from": "2024-01-01", "to": "2027-01-01"}, "reference_date": {"rule": "application"}, "conditions": [condition],
        "items": items, "publicity_working_days": 5, "approval_bands": [{"up_to_fen": 2_000_000, "approvals": 1}, {"approvals": 2}],
        "budget_id": budget or f"b-{code}",
    } | more


class World(Office):
    """The office of one test module."""

    def __init__(self, mongo_uri: str, folder: Path) -> None:
        self.clock = DemoClock.create(folder / "clock", parse_instant("2026-03-02T09:00:00+08:00"))
        super().__init__(mongo_uri, folder, {"DEMO_CLOCK_FILE": str(folder / "clock")})
        self.records = self.clients["incentives"].application.extensions["records"]

    def at(self, instant: str) -> None:
        """Move the clock forward."""
        self.clock.set(parse_instant(instant if "T" in instant else f"{instant}T09:00:00+08:00"))

    def policy(self, code: str, total_fen: int, **more: Any) -> None:
        """A policy in force and its budget."""
        self.make(f"{BASE}/budgets", {"budget_code": f"b-{code}", "name": code, "total_fen": total_fen})
        self.make(f"{BASE}/policies", policy(code, **more))

    def person(self, degree: str = "bachelor", firm: str = FIRM) -> Any:
        """A registered introduction of somebody new."""
        number = next(NUMBERS)
        born = citizen_id(number % 1000, born=_birthday(number))
        return self.make(f"{BASE}/introductions", introduction(born, NAME, firm, HONGCAO, "2025-07-01", degree))

    def application(self, code: str, state: str | None = None, *, person: Any = None, **more: Any) -> Any:
        """A draft of the agent's, or by the feed in a given state."""
        body = {"policy_code": code, "introduction": (person or self.person())["id"]} | more
        if state in (None, "draft"):
            return self.make(APPLICATIONS, body, by=STEPS["submit"])
        return self.make(APPLICATIONS, {"amount_fen": 1_000_000, **body, "state": state})

    def go(self, record: Any, *actions: str, **body: Any) -> Any:
        """Take steps by the usual hands."""
        for action in actions:
            more = {"record_recovery": {"amount_fen": record.get("amount_fen")}, "confirm_payment": {"doc_no": f"R{record['id']}"}}
            given = {"reason": "核实", **more.get(action, {}), **body}
            record = self.act(f"{APPLICATIONS}/{record['id']}", record["version"], action, by=STEPS[action], **given)
        return record

    def principal(self, by: str) -> Principal:
        """The caller as the service sees it."""
        verifier = self.clients["incentives"].application.extensions["verifier"]
        found: Principal = verifier.verify(self.bearer(by)["Authorization"].removeprefix("Bearer "))
        return found

    def get(self, path: str, *, by: str = "auditor", **query: Any) -> Any:
        """GET that must succeed."""
        answer = self.call("GET", path, by=by, query_string=query or None)
        assert answer.status_code == 200, answer.text
        return answer.json

    def budget(self, code: str) -> dict[str, int]:
        """The budget's parts; their sum is the total."""
        found = self.get(f"{BASE}/budgets/b-{code}")
        parts = {name: found[f"{name}_fen"] for name in ("free", "reserved", "approved", "paid")}
        assert sum(parts.values()) == found["total_fen"]
        return parts | {"waiting": found["waiting"]}


def _birthday(number: int) -> Any:
    from datetime import date, timedelta

    return date(1990, 1, 1) + timedelta(days=number // 1000)


@pytest.fixture(scope="module")
def world(mongo_uri: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    patch = pytest.MonkeyPatch()
    patch.setenv("SYNTHETIC_IDS", "true")
    mongoengine.disconnect_all()
    yield World(mongo_uri, Path(tmp_path_factory.mktemp("money")))
    mongoengine.disconnect_all()
    patch.undo()
