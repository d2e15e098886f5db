"""A decision: each condition with value, threshold and gap; missing data named; repeated from its own snapshot."""

from __future__ import annotations

import json
from datetime import date
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.incentives.eligibility.decide import decide, gap, replay, what_if
from services.incentives.kinds.policy import approvals_needed, in_force
from tests.integration.incentives.conftest import condition, make_policy

ON = date(2026, 6, 30)
ALWAYS = [{"from": "2015-01-01", "to": None, "value": True}]


def firm(*records: tuple[str, dict[str, Any]], **more: Any) -> dict[str, Any]:
    kinds: dict[str, list[Any]] = {}
    for kind, record in records:
        kinds.setdefault(kind, []).append({"state": "verified"} | record)
    image = {"id": "A", "established_on": "2015-01-01", "alive": ALWAYS, "states": [{"from": "2015-01-01", "to": None, "value": "active"}]}
    return {"uscc": "A", "enterprise": image | more, "records": kinds, "introduction": None}


def certificate(issued_on: str, valid_to: str, **more: Any) -> tuple[str, dict[str, Any]]:
    return "hnte-certificates", {"issued_on": issued_on, "valid_to": valid_to} | more


def contract(amount_fen: int, on: str = "2026-02-01") -> tuple[str, dict[str, Any]]:
    return "tech-contracts", {"registered_on": on, "tech_amount_fen": amount_fen}


def result(decision: Any, name: str) -> Any:
    return next(each for each in decision.conditions if each.name == name)


def test_a_number_says_value_threshold_and_gap() -> None:
    policy = make_policy("p", conditions=[condition("contracts", "enterprise.tech_contract_amount_fen", ">=", "1000")])
    short = decide(policy, firm(contract(400), contract(900, "2025-12-31")), ON)
    found = result(short, "contracts")
    assert (short.outcome, short.amount_fen) == ("not_eligible", None)
    assert (found.met, found.value, found.threshold, found.gap) == (False, 400, 1000, 600)
    enough = decide(policy, firm(contract(400), contract(700)), ON)
    assert (enough.outcome, enough.amount_fen, result(enough, "contracts").gap) == ("eligible", 100_000, -100)


@given(st.sampled_from([">=", ">", "<=", "<"]), st.integers(-100, 100), st.integers(-100, 100))
def test_a_gap_is_what_would_close_it(operator: str, value: int, threshold: int) -> None:
    met = {">=": value >= threshold, ">": value > threshold, "<=": value <= threshold, "<": value < threshold}[operator]
    lacking = gap(operator, value, threshold)
    assert lacking is not None
    assert (lacking <= 0) == met
    moved = value + lacking if operator in (">=", ">") else value - lacking
    assert gap(operator, moved, threshold) == 0


def test_missing_data_names_the_field_to_fill() -> None:
    policy = make_policy("p", conditions=[condition("zone", "enterprise.in_hitech_zone", "==", "true")])
    unknown = decide(policy, firm(), ON)
    assert (unknown.outcome, result(unknown, "zone").missing_field) == ("data_missing", "enterprises.in_hitech_zone")
    nobody = decide(policy, {"uscc": "B", "enterprise": None, "records": {}}, ON)
    assert nobody.outcome == "data_missing"
    both = make_policy("p", conditions=[*policy["conditions"], condition("certificate", "enterprise.hnte", "==", "true")])
    assert decide(both, firm(), ON).outcome == "not_eligible"


def test_an_expression_without_a_result_is_told_and_pays_nothing() -> None:
    policy = make_policy("p", conditions=[condition("ratio", "100 / enterprise.rd_units", ">=", "1")])
    found = decide(policy, firm(), ON)
    assert (found.outcome, result(found, "ratio").problem) == ("data_missing", "divide by zero")


@pytest.mark.parametrize(("on", "met"), [("2025-12-31", False), ("2026-01-01", True), ("2026-12-31", True), ("2027-01-01", False)])
def test_the_window_is_half_open(on: str, met: bool) -> None:
    found = decide(make_policy("p"), firm(certificate("2025-01-01", "2028-01-01")), date.fromisoformat(on))
    assert (result(found, "window").met, found.outcome) == (met, "eligible" if met else "not_eligible")


@pytest.mark.parametrize(("rule", "hnte"), [
    ({"rule": "application"}, False), ({"rule": "fixed", "day": "2026-03-01"}, True), ({"rule": "year_start"}, True),
    ({"rule": "year_end"}, False),
])
def test_facts_are_read_as_of_the_reference_date(rule: dict[str, str], hnte: bool) -> None:
    policy = make_policy("p", reference_date=rule)
    found = decide(policy, firm(certificate("2023-05-01", "2026-05-01")), ON)
    assert result(found, "certificate").value is hnte


def test_an_unknown_reference_date_is_missing_data() -> None:
    policy = make_policy("p", beneficiary="person", reference_date={"rule": "hired_on"})
    found = decide(policy, {"uscc": None, "enterprise": None, "records": {}, "introduction": {"id": "i"}}, ON)
    assert (found.outcome, result(found, "reference_date").missing_field) == ("data_missing", "introductions.hired_on")


def test_revoked_days_do_not_count() -> None:
    revoked = certificate("2025-01-01", "2028-01-01", state="revoked", revoked=[{"from": "2026-06-01", "to": None}])
    policy = make_policy("p")
    assert decide(policy, firm(revoked), date(2026, 5, 31)).outcome == "eligible"
    assert decide(policy, firm(revoked), ON).outcome == "not_eligible"


def test_the_first_item_that_applies_pays_up_to_the_cap() -> None:
    items = [
        {"code": "big", "title": {"zh": "大", "en": "Big"}, "when": "enterprise.rd_units > 1", "amount": "900"},
        {"code": "part", "title": {"zh": "份", "en": "Part"}, "amount": "share(enterprise.tech_contract_amount_fen, 1, 3)"},
    ]
    policy = make_policy("p", items=items, cap_fen=500, conditions=[condition("alive", "enterprise.alive", "==", "true")])
    unit = ("rd-units", {"valid_from": "2026-01-01"})
    for facts, item, amount in ((firm(contract(1000)), "part", 333), (firm(contract(2000)), "part", 500), (firm(unit, unit), "big", 500)):
        found = decide(policy, facts, ON)
        assert (found.item, found.amount_fen) == (item, amount)
    assert decide(policy, firm(), ON).outcome == "not_eligible"


PLATFORM = {
    "state": "accredited", "platform_kind": "key_laboratory", "hosts": [{"from": "2025-01-01", "to": "2026-01-01", "value": "A"},
    {"from": "2026-01-01", "to": None, "value": "B"}], "accreditations": [{"level": "provincial", "granted_on": "2025-01-01"}],
}


def test_a_platform_counts_for_the_host_of_the_day() -> None:
    policy = make_policy("p", window={"from": "2025-01-01"}, conditions=[
        condition("lab", "enterprise.platforms", "contains", "'key_laboratory/provincial'")])
    dossier = firm(("platforms", PLATFORM))
    assert decide(policy, dossier, date(2025, 12, 31)).outcome == "eligible"
    assert decide(policy, dossier, date(2026, 1, 1)).outcome == "not_eligible"


amounts = st.integers(0, 10**9)


@given(amounts, amounts, st.integers(1, 3), st.integers(1, 10**6), st.dates(date(2025, 6, 1), date(2027, 6, 1)))
def test_a_decision_repeats_itself_from_its_snapshot(value: int, threshold: int, numerator: int, cap: int, on: date) -> None:
    policy = make_policy("p", cap_fen=cap, conditions=[
        condition("contracts", "enterprise.tech_contract_amount_fen", ">=", str(threshold)), *make_policy("q")["conditions"],
    ], items=[{"code": "a", "title": {"zh": "甲", "en": "A"}, "amount": f"share(enterprise.tech_contract_amount_fen, {numerator}, 7)"}])
    first = decide(policy, firm(contract(value, f"{on.year}-01-01"), certificate("2025-01-01", "2028-01-01")), on)
    stored = json.loads(json.dumps(first.to_json()))
    assert json.loads(json.dumps(replay(policy, stored["snapshot"]).to_json())) == stored
    assert first.amount_fen is None or (type(first.amount_fen) is int and 0 < first.amount_fen <= cap)


def test_what_if_asks_today_s_rules_about_the_stored_facts() -> None:
    first = decide(make_policy("p"), firm(certificate("2025-01-01", "2028-01-01")), ON)
    items = [{"code": "one", "title": {"zh": "一次性", "en": "Once"}, "amount": "70000"}]
    second = make_policy("p", version_no=2, window={"from": "2030-01-01"}, items=items)
    assert what_if(second, first.snapshot, date(2030, 5, 1)).amount_fen == 70_000
    assert replay(make_policy("p"), first.snapshot).amount_fen == 100_000


def version(number: int, state: str, begins: str, ends: str | None = None) -> dict[str, Any]:
    window = {"from": begins} | ({"to": ends} if ends else {})
    return {"policy_code": "p", "version_no": number, "state": state, "window": window}


@pytest.mark.parametrize(("versions", "on", "number"), [
    ([version(1, "in_force", "2026-01-01")], "2025-12-31", None),
    ([version(1, "in_force", "2026-01-01"), version(2, "draft", "2026-02-01")], "2026-03-01", 1),
    ([version(2, "in_force", "2026-02-01"), version(1, "in_force", "2026-01-01")], "2026-01-31", 1),
    ([version(2, "in_force", "2026-02-01"), version(1, "in_force", "2026-01-01")], "2026-02-01", 2),
    ([version(1, "in_force", "2026-01-01"), version(2, "closed", "2026-02-01")], "2026-03-01", None),
    ([version(1, "in_force", "2026-01-01"), version(2, "in_force", "2026-02-01", "2026-03-01")], "2026-03-01", None),
])
def test_the_newest_version_that_has_begun_holds(versions: list[dict[str, Any]], on: str, number: int | None) -> None:
    assert [each["version_no"] for each in in_force(versions, on)] == ([number] if number else [])


def test_larger_amounts_need_more_hands() -> None:
    policy = {"approval_bands": [{"up_to_fen": 100, "approvals": 1}, {"up_to_fen": 1000, "approvals": 2}, {"approvals": 3}]}
    assert [approvals_needed(policy, fen) for fen in (0, 100, 101, 1000, 1001)] == [1, 1, 2, 2, 3]
