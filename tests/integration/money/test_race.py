"""Many hands on one budget at once."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

from services.incentives.applications import duties
from tests.integration.money.conftest import APPLICATIONS, BASE, World

UNIT = 100
POSTED = [{"action": "publish", "at": "2026-02-02T09:00:00+08:00", "actor": "old"}]


def test_200_approvals_of_one_unit_on_100_leave_100_approved_and_100_waiting_in_order(world: World) -> None:
    world.policy("race", 0)
    posted = [world.application("race", "publicity", amount_fen=UNIT, history=POSTED) for _ in range(200)]
    answer = world.call("PATCH", f"{BASE}/budgets/b-race", {"total_fen": 100 * UNIT, "reason": "追加"}, version=1)
    assert answer.status_code == 200, answer.text
    app = world.clients["incentives"].application

    def approve(record: Any) -> Any:
        headers = world.bearer("bureau_approver:chief") | {"If-Match": f'"{record["version"]}"'}
        answer = app.test_client().post(f"{APPLICATIONS}/{record['id']}/transitions", json={"action": "approve"}, headers=headers)
        assert answer.status_code == 200, answer.text
        return answer.json

    with ThreadPoolExecutor(16) as pool:
        done = list(pool.map(approve, posted))
    states = [record["state"] for record in done]
    assert (states.count("approved"), states.count("waiting")) == (100, 100)
    assert sorted(record["waiting_no"] for record in done if record["state"] == "waiting") == list(range(1, 101))
    assert world.budget("race") == {"free": 0, "reserved": 0, "approved": 100 * UNIT, "paid": 0, "waiting": 100}

    waiting = {record["id"]: record["waiting_no"] for record in done if record["state"] == "waiting"}
    queued = world.records.database.changes.find({"kind": "budgets", "record_id": "b-race", "action": "queue"}).sort("version", 1)
    in_line = [change["reason"].removeprefix("applications/") for change in queued]
    assert [waiting[record] for record in in_line] == list(range(1, 101))  # first come, first numbered

    budget = world.get(f"{BASE}/budgets/b-race")
    world.call("PATCH", f"{BASE}/budgets/b-race", {"total_fen": 103 * UNIT, "reason": "追加"}, version=budget["version"])
    assert duties.serve(world.records) == 3
    assert [world.get(f"{APPLICATIONS}/{record}")["state"] for record in in_line[:4]] == ["approved"] * 3 + ["waiting"]
