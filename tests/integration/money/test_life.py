"""One application from its draft to the last fen recovered, and the budget beside it."""

from __future__ import annotations

import pytest

from tests.integration.money.conftest import APPLICATIONS, BASE, STEPS, World

AMOUNT = 1_000_000
TOTAL = 3 * AMOUNT


@pytest.fixture(scope="module", autouse=True)
def life(world: World) -> None:
    world.policy("life", TOTAL)


def test_an_award_goes_through_every_hand_and_the_budget_follows(world: World) -> None:
    record = world.go(world.application("life"), "submit", "accept", "review")
    assert record["decision"]["amount_fen"] == AMOUNT
    assert record["policy_version"] == 1
    assert record["light"] == "green"
    record = world.go(record, "propose")
    assert world.budget("life") == {"free": 2 * AMOUNT, "reserved": AMOUNT, "approved": 0, "paid": 0, "waiting": 0}
    record = world.go(record, "publish")
    assert (record["publicity"]["from"], record["publicity"]["until"]) == ("2026-03-02", "2026-03-09")
    world.act(f"{APPLICATIONS}/{record['id']}", record["version"], "approve", by=STEPS["approve"], expect=409)
    world.at("2026-03-09T23:59:00+08:00")
    world.act(f"{APPLICATIONS}/{record['id']}", record["version"], "approve", by=STEPS["approve"], expect=409)
    world.at("2026-03-10T00:00:01+08:00")
    record = world.go(record, "approve")
    assert record["state"] == "approved"
    assert world.budget("life") == {"free": 2 * AMOUNT, "reserved": 0, "approved": AMOUNT, "paid": 0, "waiting": 0}
    record = world.go(record, "order_payment", "release_payment")
    assert record["state"] == "payment_ordered"
    assert world.budget("life")["paid"] == 0
    record = world.go(record, "confirm_payment")
    assert world.budget("life") == {"free": 2 * AMOUNT, "reserved": 0, "approved": 0, "paid": AMOUNT, "waiting": 0}
    record = world.go(record, "order_clawback", cause="left_early")
    record = world.go(record, "record_recovery", amount_fen=AMOUNT // 4)
    assert record["state"] == "partially_recovered"
    assert world.budget("life")["paid"] == AMOUNT - AMOUNT // 4
    over = AMOUNT
    world.act(f"{APPLICATIONS}/{record['id']}", record["version"], "record_recovery", by=STEPS["record_recovery"], amount_fen=over, expect=422)
    record = world.go(record, "record_recovery", amount_fen=AMOUNT - AMOUNT // 4)
    assert record["state"] == "recovered"
    assert world.budget("life") == {"free": TOTAL, "reserved": 0, "approved": 0, "paid": 0, "waiting": 0}
    entries = [(entry["entry"], entry["amount_fen"]) for entry in record["entries"]]
    assert [name for name, _ in entries] == ["applied", "approved", "decided", "paid", "ordered", "recovered", "recovered"]
    history = world.get(f"{APPLICATIONS}/{record['id']}/history")["items"]
    assert len(history) == record["version"]
    assert all(line["actor"] and line["role"] and line["hash"] for line in history)


def test_money_back_serves_who_waits_in_order_and_before_anybody_new(world: World) -> None:
    posted = [{"action": "publish", "at": "2026-02-24T09:00:00+08:00", "actor": "old"}]
    holders = [world.application("life", "publicity", history=posted) for _ in range(3)]
    late = [world.application("life", "publicity", history=posted) for _ in range(3)]
    holders = [world.go(record, "approve") for record in holders]
    late = [world.go(record, "approve") for record in late]
    assert [record["state"] for record in holders + late] == ["approved"] * 3 + ["waiting"] * 3
    assert [record["waiting_no"] for record in late] == [1, 2, 3]
    agent = STEPS["submit"]
    world.act(f"{APPLICATIONS}/{late[1]['id']}", late[1]["version"], "withdraw", by=agent)
    assert world.budget("life")["waiting"] == 2
    world.act(f"{APPLICATIONS}/{holders[0]['id']}", holders[0]["version"], "revoke", by=STEPS["order_clawback"], reason="材料不实")
    found = [world.get(f"{APPLICATIONS}/{record['id']}") for record in late]
    assert [record["state"] for record in found] == ["approved", "withdrawn", "waiting"]
    assert world.budget("life") == {"free": 0, "reserved": 0, "approved": TOTAL, "paid": 0, "waiting": 1}
    world.go(holders[1], "order_payment", "release_payment", "confirm_payment")
    paid = world.get(f"{APPLICATIONS}/{holders[1]['id']}")
    world.go(world.go(paid, "order_clawback"), "record_recovery")
    assert world.get(f"{APPLICATIONS}/{late[2]['id']}")["state"] == "approved"


def test_a_budget_is_never_set_below_what_it_has_bound(world: World) -> None:
    budget = world.get(f"{BASE}/budgets/b-life")
    answer = world.call("PATCH", f"{BASE}/budgets/b-life", {"total_fen": TOTAL - 1}, version=budget["version"])
    assert (answer.status_code, answer.json["errors"][0]["code"]) == (422, "below_bound")
    assert world.call("PATCH", f"{BASE}/budgets/b-life", {"free_fen": 1}, version=budget["version"]).status_code == 422
