"""Hands that must differ (S1 to S12): also one person with every role cannot act twice where two are wanted."""

from __future__ import annotations

from typing import Any

import pytest

from services.incentives.applications.hands import APART
from shared.auth.roles import Role
from tests.integration.money.conftest import APPLICATIONS, BASE, FIRM, HONGCAO, STEPS, World, policy

LIFE = list(STEPS)
MANY = "+".join(sorted(set(Role) - {Role.SYSADMIN, Role.DATA_FEED, Role.METRICS}))
# D.5 by hand, beside the service's own table: (who did any of these, may not do any of those).
DUTIES = {
    "S1": ("submit", "accept review propose publish approve"), "S2 first": ("accept", "review propose publish approve"),
    "S2 second": ("review propose", "publish approve"), "S3 approver": ("approve", "order_payment release_payment"),
    "S3 order": ("order_payment", "release_payment"), "S4 approver": ("approve", "order_clawback"),
    "S4 order": ("order_clawback", "record_recovery"),
}  # fmt: skip
PAIRS = [(earlier, action) for done, barred in DUTIES.values() for earlier in done.split() for action in barred.split()]


@pytest.fixture(scope="module", autouse=True)
def hands(world: World) -> None:
    world.policy("hands", 100_000_000, publicity_working_days=0)


def lived_until(world: World, action: str, by: dict[str, str], degree: str = "bachelor") -> Any:
    """A file just before an action, its earlier steps by the usual hands or those given."""
    record = world.application("hands", person=world.person(degree))
    for earlier in LIFE[: LIFE.index(action)]:
        if earlier == "approve":
            world.records.clock.set(world.records.clock.now() + _A_DAY)
        record = act(world, record, earlier, by.get(earlier, STEPS[earlier]))
    if action == "approve":
        world.records.clock.set(world.records.clock.now() + _A_DAY)
    return record


def act(world: World, record: Any, action: str, by: str, expect: int = 200) -> Any:
    more = {"record_recovery": {"amount_fen": 1000}, "confirm_payment": {"doc_no": f"R{record['id']}"}}.get(action, {})
    return world.act(f"{APPLICATIONS}/{record['id']}", record["version"], action, by=by, expect=expect, reason="核实", **more)


def code(problem: Any) -> str:
    return str(problem["errors"][0]["code"])


@pytest.mark.parametrize(("earlier", "action"), PAIRS, ids=[f"{a}-then-{b}" for a, b in PAIRS])
def test_one_person_with_every_role_cannot_do_both(world: World, earlier: str, action: str) -> None:
    scope = FIRM if earlier == "submit" else HONGCAO
    both = f"{MANY}:both-{earlier}-{action}:{scope}"
    record = lived_until(world, action, {earlier: both})
    before = world.records.find("applications", record["id"])
    problem = act(world, record, action, both, expect=403)
    assert code(problem) in ("same_hand", "interest_own_enterprise")
    assert world.records.find("applications", record["id"]) == before
    world.clients["incentives"].application.extensions["access_log"].flush()
    tried = world.records.database.access_log.find({"event": "refusal", "record_id": record["id"], "status": 403})
    assert [(each["actor"], each["method"], each["code"]) for each in tried] == [(world.principal(both).actor, "POST", "forbidden")]
    assert act(world, record, action, STEPS[action])["version"] == record["version"] + 1


def test_the_duties_of_d5_are_all_in_the_service_s_table() -> None:
    assert not [pair for pair in PAIRS if pair[0] not in APART[pair[1]]]


@pytest.mark.parametrize("action", ["return", "reject"])
def test_who_handed_a_file_in_neither_returns_nor_rejects_it(world: World, action: str) -> None:
    both = f"{MANY}:both-submit-{action}:{HONGCAO}"
    record = world.make(APPLICATIONS, {"policy_code": "hands", "introduction": world.person()["id"]}, by=both)
    record = act(world, record, "submit", both)
    assert code(act(world, record, action, both, expect=403)) == "same_hand"


def test_more_money_needs_more_approvers_and_none_of_them_twice(world: World) -> None:
    record = lived_until(world, "approve", {}, degree="doctor")
    assert record["amount_fen"] == 5_000_000
    record = act(world, record, "approve", "bureau_approver:one")
    assert (record["state"], len(record["approvals"])) == ("publicity", 1)
    assert code(act(world, record, "approve", "bureau_approver:one", expect=403)) == "same_hand"
    assert act(world, record, "approve", "bureau_approver:two")["state"] == "approved"


def test_who_declares_an_interest_is_out_of_the_file(world: World) -> None:
    record = lived_until(world, "review", {})
    path = f"{APPLICATIONS}/{record['id']}"
    assert world.call("POST", f"{path}/interests", {"interest": "kin"}, by="bureau_reviewer:cousin").status_code == 201
    record = world.get(path)
    assert code(act(world, record, "review", "bureau_reviewer:cousin", expect=403)) == "interest_declared"
    assert act(world, record, "review", STEPS["review"])["state"] == "reviewed"


def test_who_wrote_the_policy_does_not_process_files_under_it(world: World) -> None:
    editor, signer = "plan_officer+bureau_reviewer:editor", "bureau_approver:signs"
    world.make(f"{BASE}/budgets", {"budget_code": "b-own", "name": "own", "total_fen": 10_000_000})
    made = world.make(f"{BASE}/policies", policy("own"), by=editor)
    world.act(f"{BASE}/policies/{made['id']}", 1, "sign", by=signer)
    record = world.application("own")
    record = act(world, act(world, record, "submit", STEPS["submit"]), "accept", STEPS["accept"])
    assert code(act(world, record, "review", editor, expect=403)) == "policy_editor"
    assert act(world, record, "review", STEPS["review"])["state"] == "reviewed"


def test_the_system_administrator_holds_no_business_role(world: World) -> None:
    record = lived_until(world, "approve", {})
    assert act(world, record, "approve", "sysadmin+bureau_approver:root", expect=403)["status"] == 403


def test_a_town_sees_and_takes_its_own_files_only(world: World) -> None:
    record = lived_until(world, "accept", {})
    act(world, record, "accept", "town_reviewer:next:441502102", expect=404)
    assert code(act(world, record, "accept", "town_reviewer+bureau_reviewer:next:441502102", expect=403)) == "other_town"


def test_a_reviewer_returns_a_file_but_does_not_correct_it(world: World) -> None:
    record = lived_until(world, "review", {})
    answer = world.call("PATCH", f"{APPLICATIONS}/{record['id']}", {"item": "doctor"}, by="bureau_reviewer:second", version=record["version"])
    assert answer.status_code == 403


def test_an_override_has_two_persons_a_reason_and_an_end_and_the_auditor_sees_it(world: World) -> None:
    record = lived_until(world, "propose", {})
    path = f"{APPLICATIONS}/{record['id']}"
    override = {"rule": "amount", "amount_fen": 700_000, "until": "2026-12-31", "reason": "按比例折算"}
    asked = world.call("PATCH", path, {"override": override, "reason": "折算"}, by="bureau_reviewer:asks", version=record["version"])
    assert asked.status_code == 200, asked.text
    record = asked.json
    assert "override" not in record
    act(world, record, "confirm_change", "bureau_reviewer:asks", expect=403)
    record = act(world, record, "confirm_change", "bureau_approver:second")
    record = act(world, record, "propose", STEPS["propose"])
    assert record["amount_fen"] == 700_000
    listed = world.get(f"{BASE}/exceptions")["items"]
    assert listed[0]["override"]["reason"] == "按比例折算"
    assert world.call("GET", f"{BASE}/exceptions", by="bureau_reviewer").status_code == 403


def test_a_write_off_has_two_treasury_hands_and_the_auditors_notice(world: World) -> None:
    record = lived_until(world, "record_recovery", {})
    path = f"{APPLICATIONS}/{record['id']}"
    assert world.act(path, record["version"], "write_off", by=STEPS["order_clawback"], expect=403, reason="无法追回")
    refused = world.act(path, record["version"], "write_off", by="treasury_officer:gives-up", reason="无法追回", expect=422)
    assert [each["pointer"] for each in refused["errors"]] == ["/doc_no"]
    record = world.act(path, record["version"], "write_off", by="treasury_officer:gives-up", reason="无法追回", doc_no="审字1号")
    assert record["state"] == "clawback_ordered"
    world.act(path, record["version"], "confirm_change", by="treasury_officer:gives-up", expect=403)
    record = world.act(path, record["version"], "confirm_change", by="treasury_officer:agrees")
    assert (record["state"], record["clawback"]["written_off_fen"]) == ("written_off", 1_000_000)


def test_nobody_asks_for_another_enterprise_nor_for_whom_it_introduced(world: World) -> None:
    stranger, person = "enterprise_agent:other:" + "91441502MAQQQQ019U", world.person()
    for name, mine in (("introduction", {"introduction": person["id"]}), ("uscc", {"uscc": FIRM, "town_code": HONGCAO})):
        answer = world.call("POST", APPLICATIONS, {"policy_code": "hands", **mine}, by=stranger)
        assert (answer.status_code, [each["pointer"] for each in answer.json["errors"]]) == (422, [f"/{name}"])
        assert person["person_key"] not in answer.text


def test_a_policy_for_persons_is_not_for_enterprises(world: World) -> None:
    record = world.make(APPLICATIONS, {"policy_code": "hands", "uscc": FIRM, "town_code": HONGCAO}, by=STEPS["submit"])
    assert code(act(world, record, "submit", STEPS["submit"], expect=422)) == "other_beneficiary"


def test_a_draft_of_another_enterprise_is_nobodys_business(world: World) -> None:
    record = world.application("hands")
    stranger = "enterprise_agent:other:" + "91441502MAQQQQ019U"
    act(world, record, "submit", stranger, expect=404)


def _a_day() -> Any:
    from datetime import timedelta

    return timedelta(days=1)


_A_DAY = _a_day()
