"""Public notices without any number, taken down when they are over; objections; lights; the five figures."""

from __future__ import annotations

import json
from typing import Any

import pytest

from services.incentives.applications import duties
from tests.integration.money.conftest import APPLICATIONS, BASE, NAME, STEPS, World

AMOUNT = 1_000_000


@pytest.fixture(scope="module", autouse=True)
def noticed(world: World) -> None:
    world.policy("note", 1_000 * AMOUNT)


def listed(world: World) -> tuple[list[Any], str]:
    answer = world.call("GET", f"{BASE}/publicity", by="")
    assert answer.status_code == 200
    return answer.json["items"], answer.headers["Cache-Control"]


def test_a_notice_names_and_numbers_nobody_and_comes_down_at_midnight(world: World) -> None:
    record = world.go(world.application("note"), "submit", "accept", "review", "propose", "publish")
    items, cache = listed(world)
    mine = next(item for item in items if item["id"] == record["id"])
    assert (mine["name"], mine["amount_fen"], mine["from"], mine["until"]) == (NAME, AMOUNT, "2026-03-02", "2026-03-09")
    assert "max-age=300" in cache
    assert "990000" not in json.dumps(items)
    world.at("2026-03-09T23:59:30+08:00")
    items, cache = listed(world)
    assert record["id"] in {item["id"] for item in items}
    assert int(cache.split("max-age=")[1].split(",")[0]) <= 30
    world.at("2026-03-10T00:00:00+08:00")
    assert record["id"] not in {item["id"] for item in listed(world)[0]}


def test_an_objection_stops_the_notice_until_a_fresh_hand_decides(world: World) -> None:
    record = world.go(world.application("note"), "submit", "accept", "review", "propose", "publish")
    assert record["publicity"]["until"] == "2026-03-17"
    world.at("2026-03-12")
    path = f"{BASE}/publicity/{record['id']}/objections"
    assert world.call("POST", path, {"reason": "社保在外地"}, by="").status_code == 401
    assert world.call("POST", path, {}, by="viewer:citizen").status_code == 422
    answer = world.call("POST", path, {"reason": "社保在外地"}, by="viewer:citizen")
    assert (answer.status_code, answer.json) == (201, {"id": record["id"], "state": "objection"})
    record = world.get(f"{APPLICATIONS}/{record['id']}")
    world.act(f"{APPLICATIONS}/{record['id']}", record["version"], "approve", by=STEPS["approve"], expect=409)
    world.act(f"{APPLICATIONS}/{record['id']}", record["version"], "resolve", by=STEPS["review"], expect=403, reason="经查不实")
    world.at("2026-03-23")
    record = world.act(f"{APPLICATIONS}/{record['id']}", record["version"], "resolve", by="bureau_reviewer:fresh", reason="经查不实")
    assert (record["state"], record["objections"][0]["state"]) == ("proposed", "dismissed")
    record = world.go(record, "publish")
    assert record["publicity"]["until"] == "2026-03-26"  # three working days were left: 24, 25, 26
    posted = next(item for item in listed(world)[0] if item["id"] == record["id"])
    again = world.act(f"{APPLICATIONS}/{posted['id']}", posted["version"], "object", by="viewer:citizen", reason="再次异议")
    assert again == {"id": record["id"], "kind": "applications", "version": record["version"] + 1, "state": "objection"}
    assert world.call("GET", f"{APPLICATIONS}/{record['id']}", by="viewer:citizen").status_code in (403, 404)
    record = world.get(f"{APPLICATIONS}/{record['id']}")
    record = world.act(f"{APPLICATIONS}/{record['id']}", record["version"], "reject", by="bureau_reviewer:third", reason="异议成立")
    assert (record["state"], record["objections"][1]["state"]) == ("rejected", "upheld")
    assert "held" not in record


def test_the_light_turns_with_working_days_stands_still_at_the_applicants_and_red_escalates(world: World) -> None:
    world.at("2026-03-30")
    record = world.go(world.application("note"), "submit")
    path = f"{APPLICATIONS}/{record['id']}"
    assert (record["light"], record["due_on"], record["working_days_left"]) == ("green", "2026-04-07", 5)  # 6 April is a holiday
    world.at("2026-04-02")
    assert world.get(path)["light"] == "yellow"
    record = world.act(path, record["version"], "return", by=STEPS["accept"], reason="缺社保证明")
    assert record["light"] == "paused"
    world.at("2026-04-20")
    record = world.go(record, "submit")
    assert (record["light"], record["due_on"]) == ("yellow", "2026-04-22")  # two working days were left
    world.at("2026-04-23")
    assert world.get(path)["light"] == "red"
    assert world.get(f"{BASE}/deadlines", light="red")["items"][0]["id"] == record["id"]
    assert duties.escalate(world.records) >= 1
    assert duties.escalate(world.records) == 0
    assert world.get(path)["clock"]["escalated"] == {"on": "2026-04-23", "to": "bureau_reviewer"}


def test_one_live_application_for_a_person_and_the_second_hears_of_the_first(world: World) -> None:
    person = world.person()
    first = world.go(world.application("note", person=person), "submit")
    second = world.application("note", person=person)
    problem = world.act(f"{APPLICATIONS}/{second['id']}", second["version"], "submit", by=STEPS["submit"], expect=409)
    assert first["id"] in problem["errors"][0]["message"]
    world.act(f"{APPLICATIONS}/{first['id']}", first["version"], "withdraw", by=STEPS["submit"])
    assert world.go(second, "submit")["state"] == "submitted"


@pytest.mark.parametrize(("rule", "outcome"), [("highest_only", "refused"), ("difference", 4_000_000)])
def test_the_same_matter_under_a_second_policy_shows_the_first_award(world: World, rule: str, outcome: Any) -> None:
    group = {"stacking": {"group": f"g-{rule.replace('_', '-')}", "rule": rule}}
    first, second = f"one-{rule[:4]}", f"two-{rule[:4]}"
    items = [{"code": "flat", "title": {"zh": "定额", "en": "Flat"}, "amount": "1000000"}]
    world.policy(first, 100 * AMOUNT, items=items, **group)
    world.policy(second, 100 * AMOUNT, **group)
    person = world.person("doctor")
    had = world.go(world.application(first, person=person), "submit", "accept", "review", "propose")
    asked = world.go(world.application(second, person=person), "submit", "accept")
    path = f"{APPLICATIONS}/{asked['id']}"
    if outcome == "refused":
        problem = world.act(path, asked["version"], "review", by=STEPS["review"], expect=409)
        assert problem["errors"][0]["message"] == had["id"]
        assert "10000.00" in problem["detail"]
        return
    asked = world.go(asked, "review", "propose")
    assert asked["amount_fen"] == outcome
    assert asked["stacking"]["first"]["id"] == had["id"]
    assert "40000.00" in asked["stacking"]["sentence"]["zh"]


def test_the_five_figures_reconcile_in_every_grouping(world: World) -> None:
    world.application("note", "paid")
    world.application("note", "clawback_ordered", ordered_fen=AMOUNT)
    world.application("note", "partially_recovered", ordered_fen=AMOUNT, recovered_fen=400_000)
    whole = world.get(f"{BASE}/ledger")["total"]
    assert whole["net_fen"] == whole["gross_fen"] - whole["recovered_fen"]
    assert whole["outstanding_fen"] == whole["ordered_fen"] - whole["recovered_fen"] - whole["written_off_fen"]
    assert whole["outstanding_fen"] >= AMOUNT + 600_000
    for by in ("policy", "town", "month"):
        items = world.get(f"{BASE}/ledger?by={by}")["items"]
        for name, total in whole.items():
            assert sum(item[name] for item in items) == total
    assert world.call("GET", f"{BASE}/ledger?by=person", by="auditor").status_code == 422
