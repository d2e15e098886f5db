"""Why (not) me, who gains if, and a decision that repeats itself, through HTTP."""

from __future__ import annotations

import json
from itertools import count
from typing import Any

import pytest

from tests.integration.incentives.conftest import District, condition, graduate, make_policy
from tests.system.made import certificate, citizen_id, enterprise, uscc

NUMBER = count(2000)
SERIAL = count(920_000)
ASK, POLICIES = "/incentives/v1/eligibility", "/incentives/v1/policies"


def firm(district: District, certified: bool = True) -> str:
    n = next(NUMBER)
    district.make("/registry/v1/enterprises", enterprise(n))
    if certified:
        district.make("/registry/v1/hnte-certificates", certificate(f"GR202644{next(SERIAL)}", uscc(n), "2026-05-01"))
    return uscc(n)


@pytest.fixture(scope="module")
def grant(district: District) -> Any:
    made = district.policy(make_policy("tech-grant", conditions=[
        condition("certificate", "enterprise.hnte", "==", "true"), condition("zone", "enterprise.in_hitech_zone", "==", "true"),
        condition("contracts", "enterprise.tech_contract_amount_fen", ">=", "50000"),
    ]))
    district.policy(make_policy("person-grant", beneficiary="person", conditions=[condition("first", "introduction.first", "==", "true")]))
    return made


def ask(district: District, body: dict[str, Any], by: str = "auditor") -> Any:
    district.settle()
    answer = district.call("POST", ASK, body, by=by)
    assert answer.status_code == 200, answer.text
    return answer.json


def test_an_enterprise_sees_what_it_lacks_and_by_how_much(district: District, grant: Any) -> None:
    code = firm(district)
    district.make("/registry/v1/tech-contracts", {
        "registration_no": f"T{code}", "registered_on": "2026-02-01", "contract_type": "service", "seller_uscc": code,
        "deal_amount_fen": 30_000, "tech_amount_fen": 20_000,
    })
    (item,) = [each for each in ask(district, {"enterprise": code}, f"enterprise_agent:a:{code}")["items"] if each["policy_id"] == grant["id"]]
    found = {each["name"]: each for each in item["conditions"]}
    assert (item["outcome"], item["amount_fen"], item["clause"]) == ("not_eligible", None, "示范办法第一条")
    assert found["certificate"]["met"] is True
    assert (found["zone"]["met"], found["zone"]["missing_field"]) == (None, "enterprises.in_hitech_zone")
    assert (found["contracts"]["value"], found["contracts"]["threshold"], found["contracts"]["gap"]) == (20_000, 50_000, 30_000)
    district.call("PATCH", f"/registry/v1/enterprises/{code}", {"in_hitech_zone": True}, version=1)
    contract = f"/registry/v1/tech-contracts/T{code}"
    district.call("PATCH", contract, {"deal_amount_fen": 60_000, "tech_amount_fen": 60_000}, version=1)
    (item,) = [each for each in ask(district, {"enterprise": code})["items"] if each["policy_id"] == grant["id"]]
    assert (item["outcome"], item["amount_fen"]) == ("eligible", 100_000)


def test_an_introduction_is_asked_about_policies_for_persons(district: District, grant: Any) -> None:
    record = district.make("/incentives/v1/introductions", graduate(citizen_id(next(NUMBER) % 1000), firm(district)))
    answer = ask(district, {"introduction": record["id"]})
    assert [each["policy_code"] for each in answer["items"]] == ["person-grant"]
    assert "欧阳明珠" not in json.dumps(answer, ensure_ascii=False)


def test_nobody_asks_about_others(district: District, grant: Any) -> None:
    code = firm(district)
    district.settle()
    for by, status in ((f"enterprise_agent:a:{uscc(1)}", 404), ("viewer", 403), ("sysadmin", 403), ("", 401),
                       ("town_reviewer:t:441502001", 404), ("town_reviewer:t:441502100", 200), ("bureau_reviewer", 200)):
        assert district.call("POST", ASK, {"enterprise": code}, by=by).status_code == status, by


@pytest.mark.parametrize("body", [
    {}, {"enterprise": "91441502MAQQQQ019U", "introduction": "x"}, {"enterprise": "91441502MAQQQQ0190"}, {"enterprise": {"$gt": ""}},
    {"introduction": 5}, {"enterprise": "91441502MAQQQQ019U", "on": "yesterday"}, {"enterprise": "91441502MAQQQQ019U", "on": "20260630"},
    {"enterprise": "91441502MAQQQQ019U", "on": "0001-01-01"}, {"enterprise": "91441502MAQQQQ019U", "bogus": 1},
])
def test_a_wrong_question_is_refused(district: District, body: dict[str, Any]) -> None:
    answer = district.call("POST", ASK, body, by="auditor")
    assert (answer.status_code, answer.content_type) == (422, "application/problem+json")
    assert answer.json["errors"]


def test_a_wrong_expression_is_refused_with_its_place(district: District) -> None:
    wrong = make_policy("wrong", conditions=[condition("a", "enterprise.hnt", "==", "true"), condition("b", "enterprise.hnte", ">", "'a'")])
    answer = district.call("POST", POLICIES, wrong | {"reference_date": {"rule": "fixed"}}, by="plan_officer")
    faults = {error["pointer"]: error["message"] for error in answer.json["errors"]}
    assert answer.status_code == 422
    assert "1:11: undeclared reference" in faults["/conditions/0/value"]
    assert "do not compare" in faults["/conditions/1/operator"]
    assert "/reference_date/day" in faults


def test_a_version_needs_two_people_and_never_changes(district: District) -> None:
    body = make_policy("two-hands")
    draft = district.make(POLICIES, body, by="plan_officer:one")
    path = f"{POLICIES}/{draft['id']}"
    assert draft["state"] == "draft"
    assert district.call("PATCH", path, {"cap_fen": 5}, by="plan_officer:one", version=1).status_code == 200
    district.act(path, 2, "sign", by="plan_officer:one", expect=403)
    district.act(path, 2, "sign", by="bureau_reviewer:two", expect=403)
    assert district.act(path, 2, "sign", by="bureau_approver:two")["state"] == "in_force"
    for by in ("plan_officer:one", "data_feed"):
        refused = district.call("PATCH", path, {"cap_fen": 6}, by=by, version=3)
        assert (refused.status_code, refused.json["code"]) == (409, "rule_broken")
    assert district.call("POST", POLICIES, body, by="plan_officer:one").status_code == 409
    assert district.make(POLICIES, body | {"version_no": 2}, by="plan_officer:one")["state"] == "draft"


def lines(answer: Any) -> list[Any]:
    return [json.loads(line) for line in answer.text.splitlines()]


def test_who_gains_if_is_tried_on_the_whole_district(district: District) -> None:
    codes = [firm(district) for _ in range(3)]
    plain = firm(district, certified=False)
    district.settle()
    first = district.policy(make_policy("trial"))
    wider = [condition("alive", "enterprise.alive", "==", "true")]
    items = [{"code": "one", "title": {"zh": "一次性", "en": "Once"}, "amount": "150000"}]
    draft = district.make(POLICIES, make_policy("trial", version_no=2, conditions=wider, items=items), by="plan_officer:editor")
    found = lines(district.call("POST", f"{POLICIES}/{draft['id']}/trial", by="plan_officer"))
    assert found[0] == {"progress": 0, "of": found[-2]["of"]}
    by_firm = {line["subject"]["enterprise"]: line for line in found if "subject" in line}
    assert {(by_firm[code]["amount_fen"], by_firm[code]["before_fen"], by_firm[code]["change"]) for code in codes} == {(150_000, 100_000, "changed")}
    assert (by_firm[plain]["before_fen"], by_firm[plain]["change"]) == (0, "gains")
    summary = found[-1]["summary"]
    assert summary["cost_fen"] == sum(line["amount_fen"] for line in by_firm.values()) == summary["winners"] * 150_000
    assert summary["difference_fen"] == summary["cost_fen"] - sum(line["before_fen"] for line in by_firm.values())
    assert sum(summary["cost_by_town_fen"].values()) == summary["cost_fen"]
    assert district.call("GET", f"{POLICIES}/{draft['id']}", by="plan_officer").json["state"] == "draft"
    again = lines(district.call("POST", f"{POLICIES}/{first['id']}/trial", by="plan_officer"))[-1]["summary"]
    assert again["changes"] == {"gains": summary["winners"] - summary["changes"]["gains"], "loses": 0, "changed": 0}
    assert district.call("POST", f"{POLICIES}/{draft['id']}/trial", by=f"enterprise_agent:a:{plain}").status_code == 403


def test_a_person_is_tried_once(district: District, grant: Any) -> None:
    number = citizen_id(next(NUMBER) % 1000)
    records = [district.make("/incentives/v1/introductions", graduate(number, firm(district), day)) for day in ("2026-04-01", "2026-05-01")]
    draft = district.make(POLICIES, make_policy("person-trial", beneficiary="person", conditions=[
        condition("first", "introduction.first", "==", "true")]), by="plan_officer:editor")
    found = lines(district.call("POST", f"{POLICIES}/{draft['id']}/trial", by="plan_officer"))
    told = [line["subject"]["introduction"] for line in found if "subject" in line]
    assert [each["id"] in told for each in records] == [True, False]


def test_a_stored_decision_repeats_itself_after_everything_changed(district: District) -> None:
    code = firm(district, certified=False)
    held = district.make("/registry/v1/hnte-certificates", certificate(f"GR202644{next(SERIAL)}", code, "2026-05-01"))
    district.policy(make_policy("kept"))
    district.settle()
    (offer,) = [each for each in district.offers(uscc=code) if each["policy_code"] == "kept"]
    district.act(f"/registry/v1/hnte-certificates/{held['id']}", 1, "revoke", reason="取消资格", effective_on="2026-05-01")
    district.settle()
    items = [{"code": "one", "title": {"zh": "一次性", "en": "Once"}, "amount": "30000"}]
    district.policy(make_policy("kept", version_no=2, items=items))
    district.settle()
    found = district.call("GET", f"/incentives/v1/offers/{offer['id']}/decision", by="auditor").json
    assert (found["same"], found["replayed"]["amount_fen"], found["stored"]["version_no"]) == (True, 100_000, 1)
    assert (found["what_if"]["decision"]["amount_fen"], found["what_if"]["difference_fen"]) == (30_000, -70_000)
    assert district.call("GET", f"/incentives/v1/policies/{offer['policy_id']}/decision", by="auditor").status_code == 409
    assert district.call("GET", "/incentives/v1/nothing/x/decision", by="auditor").status_code == 404


def test_what_an_office_brings_along_keeps_the_rules_of_its_day(district: District) -> None:
    district.make("/incentives/v1/budgets", {"budget_code": "b-brought", "name": "资金", "total_fen": 10_000_000})
    body = make_policy("brought", budget_id="b-brought", without_application=False)
    district.policy(body)
    codes = [firm(district) for _ in range(3)]
    district.settle()
    agreed, otherwise, open_ = (
        district.make("/incentives/v1/applications", {"policy_code": "brought", "uscc": code, "town_code": "441502100"} | more)
        for code, more in zip(codes, ({"state": "paid", "amount_fen": 100_000}, {"state": "paid", "amount_fen": 70_000},
                                      {"state": "accepted"}), strict=True)
    )
    district.policy(body | {"version_no": 2, "items": [{"code": "one", "title": {"zh": "一次性", "en": "Once"}, "amount": "30000"}]})
    found = district.call("GET", f"/incentives/v1/applications/{agreed['id']}/decision", by="auditor").json
    assert (found["same"], found["stored"]["version_no"], found["what_if"]["difference_fen"]) == (True, 1, -70_000)
    assert district.call("GET", f"/incentives/v1/applications/{otherwise['id']}/decision", by="auditor").status_code == 409
    reviewed = district.act(f"/incentives/v1/applications/{open_['id']}", 1, "review", by="bureau_reviewer:second")
    assert (reviewed["policy_version"], reviewed["decision"]["amount_fen"]) == (1, 100_000)


def test_editors_can_look_up_every_fact(district: District) -> None:
    found = district.call("GET", "/incentives/v1/facts", by="plan_officer").json["items"]
    assert {"name", "type", "zh", "en", "field"} <= set(found[0])
    assert "enterprise.hnte" in {each["name"] for each in found}
