"""An award whose ground is gone: held back before it is paid, marked for recovery after; each tied to its cause."""

from __future__ import annotations

from itertools import count
from typing import Any

import pytest

from tests.integration.incentives.conftest import District, condition, graduate, make_policy
from tests.system.made import certificate, citizen_id, enterprise, uscc

NUMBER = count(5000)
SERIAL = count(950_000)
BASE = "/incentives/v1"
POSTED = [{"action": "publish", "at": "2026-06-01T09:00:00+08:00", "actor": "old"}]
AMOUNT = 100_000


@pytest.fixture(scope="module", autouse=True)
def policies(district: District) -> None:
    district.make(f"{BASE}/budgets", {"budget_code": "b-ground", "name": "资金", "total_fen": 100 * AMOUNT})
    more = {"budget_id": "b-ground", "without_application": False}
    district.policy(make_policy("ground-firm", **more))
    district.policy(make_policy("ground-person", beneficiary="person", service_months=36, conditions=[
        condition("registered", "introduction.registered", "==", "true")], **more))
    district.settle()


def firm(district: District) -> tuple[str, str]:
    """A firm with a certificate: its code, and where the certificate lies."""
    n = next(NUMBER)
    district.make("/registry/v1/enterprises", enterprise(n))
    made = district.make("/registry/v1/hnte-certificates", certificate(f"GR202644{next(SERIAL)}", uscc(n), "2026-05-01"))
    return uscc(n), f"/registry/v1/hnte-certificates/{made['id']}"


def award(district: District, state: str, code: str | None = None, person: Any = None) -> str:
    """An application that a feed brings along in a state; where it lies."""
    who = {"policy_code": "ground-firm", "uscc": code, "town_code": "441502100"} if code else {
        "policy_code": "ground-person", "introduction": person["id"]}
    history = POSTED if state in ("publicity", "approved", "paid") else []
    made = district.make(f"{BASE}/applications", who | {"state": state, "amount_fen": AMOUNT, "history": history})
    return f"{BASE}/applications/{made['id']}"


def read(district: District, path: str) -> Any:
    return district.call("GET", path, by="auditor").json


def cases(district: District, state: str) -> dict[str, Any]:
    return {f"{BASE}/applications/{each['application']}": each for each in read(district, f"{BASE}/recoveries?state={state}")["items"]}


def test_a_revoked_certificate_opens_a_case_for_every_award_that_rested_on_it(district: District) -> None:
    (code, path), (other, _) = firm(district), firm(district)
    paid, elsewhere = award(district, "paid", code), award(district, "paid", other)
    district.settle()
    assert not {paid, elsewhere} & set(cases(district, "due"))
    district.act(path, 1, "revoke", reason="取消资格", effective_on="2026-05-01")
    district.settle()
    due = cases(district, "due")
    assert elsewhere not in due
    evidence = path.removeprefix("/registry/v1/")
    assert due[paid] | {"cause": "certificate_revoked", "evidence": evidence, "amount_fen": AMOUNT} == due[paid]
    district.act(path, 2, "reinstate", reason="复议撤销", effective_on="2026-05-01")
    district.settle()
    assert paid not in cases(district, "due")
    district.act(path, 3, "revoke", reason="取消资格", effective_on="2026-05-01")
    district.settle()
    record = read(district, paid)
    ordered = district.act(paid, record["version"], "order_clawback", by="bureau_approver:recovers", reason="取消资格")
    assert ordered["clawback"] | {"cause": "certificate_revoked", "evidence": evidence, "ordered_fen": AMOUNT} == ordered["clawback"]
    assert cases(district, "ordered")[paid]["outstanding_fen"] == AMOUNT


def test_what_is_not_paid_yet_is_held_back_and_an_approver_may_resume_it_once_and_for_all(district: District) -> None:
    code, path = firm(district)
    open_ = award(district, "approved", code)
    district.settle()
    before = read(district, f"{BASE}/budgets/b-ground")
    district.act(path, 1, "revoke", reason="取消资格", effective_on="2026-05-01")
    district.settle()
    record = read(district, open_)
    assert (record["state"], record["held_back"]["cause"]) == ("suspended", "certificate_revoked")
    assert cases(district, "held_back")[open_]["cause"] == "certificate_revoked"
    assert read(district, f"{BASE}/budgets/b-ground")["approved_fen"] == before["approved_fen"] - AMOUNT
    record = district.act(open_, record["version"], "resume", by="bureau_approver:decides", reason="不影响本项")
    district.call("PATCH", f"/registry/v1/enterprises/{code}", {"in_hitech_zone": True}, version=1)
    district.settle()
    assert read(district, open_)["state"] == "approved"


@pytest.mark.parametrize("action", ["move_out", "deregister", "revoke_licence"])
def test_an_enterprise_that_ends_has_its_open_applications_suspended(district: District, action: str) -> None:
    code, _ = firm(district)
    open_, closed = award(district, "submitted", code), award(district, "rejected", code)
    district.settle()
    district.act(f"/registry/v1/enterprises/{code}", 1, action, reason="登记机关通知", effective_on="2026-06-20")
    district.settle()
    assert [read(district, each)["state"] for each in (open_, closed)] == ["suspended", "rejected"]
    assert read(district, open_)["held_back"] == {"cause": "enterprise_ended", "evidence": f"enterprises/{code}"}


def test_what_is_at_the_bank_is_left_alone_until_the_bank_has_answered(district: District) -> None:
    code, path = firm(district)
    file = award(district, "approved", code)
    district.act(file, 1, "order_payment", by="treasury_officer:orders")
    district.act(file, 2, "release_payment", by="treasury_officer:releases")
    district.settle()
    district.act(path, 1, "revoke", reason="取消资格", effective_on="2026-05-01")
    district.settle()
    assert read(district, file)["state"] == "payment_ordered"
    district.act(file, 3, "confirm_payment", by="treasury_officer:bank", doc_no="R1")
    district.settle()
    assert cases(district, "due")[file]["cause"] == "certificate_revoked"


def test_a_false_introduction_and_an_early_leaver_are_told_apart(district: District) -> None:
    code, _ = firm(district)
    false, early, late = (district.make(f"{BASE}/introductions", graduate(citizen_id(next(NUMBER) % 1000), code)) for _ in range(3))
    files = [award(district, "paid", person=each) for each in (false, early, late)]
    district.act(f"{BASE}/introductions/{false['id']}", 1, "invalidate", reason="引进不实")
    district.act(f"{BASE}/introductions/{early['id']}", 1, "depart", effective_on="2026-06-20")
    district.act(f"{BASE}/introductions/{late['id']}", 1, "depart", effective_on="2029-03-01")
    district.settle()
    due = cases(district, "due")
    assert [due.get(each, {}).get("cause") for each in files] == ["introduction_false", "left_early", None]
    assert read(district, f"{BASE}/recoveries?state=nothing")["status"] == 422
    assert district.call("GET", f"{BASE}/recoveries", by=f"enterprise_agent:a:{code}").status_code == 403
