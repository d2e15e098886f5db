"""An enterprise registers itself, claims what another registered, is told all at once, and comes back with only what changed."""

from __future__ import annotations

from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from tests.integration.registry.conftest import BASE, HONGCAO, NUMBERS, Registry, uscc
from tests.system.made import DONGCHONG

TOWN, BUREAU = f"town_reviewer:t:{HONGCAO}", "bureau_reviewer:b"
GAPS = {"town_code": HONGCAO, "industry_code": "3974", "established_on": "2020-01-01"}
FIRMS = f"{BASE}/enterprises"


def draft(registry: Registry, by: str = "enterprise_agent:ann", **more: Any) -> Any:
    body = {"uscc": uscc(next(NUMBERS)), "name": "汕尾市新生科技有限公司"} | more
    return registry.make(FIRMS, body, by=by)


def patch(registry: Registry, record: Any, body: Any, *, by: str = "enterprise_agent:ann", expect: int = 200) -> Any:
    answer = registry.call("PATCH", f"{FIRMS}/{record['id']}", body, by=by, version=record["version"])
    assert answer.status_code == expect, answer.text
    return answer.json


def act(registry: Registry, record: Any, action: str, *, by: str = "enterprise_agent:ann", expect: int = 200, **more: Any) -> Any:
    return registry.act(f"{FIRMS}/{record['id']}", record["version"], action, by=by, expect=expect, **more)


# ---- one firm, once


def test_fifty_at_once_register_one_code_once(registry: Registry) -> None:
    body = {"uscc": uscc(next(NUMBERS)), "name": "汕尾市并发科技有限公司"}
    headers = [registry.bearer(f"enterprise_agent:agent{n}") for n in range(50)]
    app = registry.clients["registry"].application

    def post(n: int) -> Any:
        return app.test_client().post(FIRMS, json=body, headers=headers[n])

    with ThreadPoolExecutor(50) as pool:
        answers = list(pool.map(post, range(50)))
    assert Counter(answer.status_code for answer in answers) == {201: 1, 409: 49}
    for answer in answers:
        if answer.status_code == 409:
            told = answer.json
            assert told["hint"] == {"name": "汕********公司", "state": "draft"}
            assert told["claim"] == f"{FIRMS}/{body['uscc']}/claims"
            assert [error["pointer"] for error in told["errors"]] == ["/uscc"]
            assert body["name"] not in answer.text
    assert registry.records.database.changes.count_documents({"record_id": body["uscc"]}) == 1


@pytest.mark.parametrize(("code", "position"), [("91441502MAQQQQ019V", 18), ("91441502MAQQQQ018U", 17), ("91441502MAQQQQ0I9U", 16)])
def test_a_wrong_code_is_refused_with_the_place_of_the_fault(registry: Registry, code: str, position: int) -> None:
    answer = registry.call("POST", FIRMS, {"uscc": code, "name": "某公司"}, by="enterprise_agent:ann")
    assert (answer.status_code, answer.json["errors"][0]["pointer"]) == (422, "/uscc")
    assert f"第{position}位" in answer.json["errors"][0]["message"]


def test_a_code_whose_registration_was_rejected_may_be_registered_anew_and_the_old_file_stays_readable(registry: Registry) -> None:
    record = draft(registry)
    record = act(registry, patch(registry, record, GAPS), "submit")
    record = act(registry, record, "recommend", by=TOWN)
    record = act(registry, record, "reject", by=BUREAU, reason="资料不实")
    again = registry.call("POST", FIRMS, {"uscc": record["id"], "name": "汕尾市再生科技有限公司"}, by="enterprise_agent:bob")
    assert (again.status_code, again.json["state"], again.json["version"]) == (201, "draft", record["version"] + 1)
    act(registry, again.json, "submit", by="enterprise_agent:ann", expect=404)
    lines = registry.call("GET", f"{FIRMS}/{record['id']}/history", by="auditor").json["items"]
    assert [line["action"] for line in lines] == ["post", "amend", "submit", "recommend", "reject", "post"]
    assert lines[4]["record"]["name"] == "汕尾市新生科技有限公司"
    assert registry.call("POST", FIRMS, {"uscc": record["id"], "name": "别家"}, by="enterprise_agent:cid").status_code == 409


def test_what_a_draft_said_first_holds_from_the_founding_day(registry: Registry) -> None:
    record = draft(registry, town_code=HONGCAO)  # the founding day comes later, and is mistyped at first
    record = patch(registry, record, {"industry_code": "3974", "established_on": "2021-01-01"})
    record = patch(registry, record, {"established_on": "2020-01-01"})
    record = act(registry, record, "submit")
    record = act(registry, act(registry, record, "recommend", by=TOWN), "approve", by=BUREAU)
    for field in ("names", "towns", "industries", "alive", "states"):
        assert [(spell["from"], spell["to"]) for spell in record[field]] == [("2020-01-01", None)], field
    told = registry.call("GET", f"{FIRMS}/{record['id']}", by="auditor", query_string={"as_of": "2020-01-01"}).json
    assert (told["name"], told["town_code"], told["state"]) == (record["name"], HONGCAO, "active")


# ---- claims


def claim(registry: Registry, record: Any, by: str, expect: int = 201, **body: Any) -> Any:
    answer = registry.call("POST", f"{FIRMS}/{record['id']}/claims", body, by=by)
    assert answer.status_code == expect, answer.text
    return answer.json


def decide(registry: Registry, made: Any, action: str, by: str, expect: int = 200, **more: Any) -> Any:
    return registry.act(f"{BASE}/claims/{made['id']}", made["version"], action, by=by, expect=expect, **more)


def sees(registry: Registry, record: Any, by: str) -> bool:
    found = registry.call("GET", f"{FIRMS}/{record['id']}", by=by).status_code
    listed = registry.call("GET", FIRMS, by=by).json["items"]
    assert (found == 200) == (record["id"] in {item["id"] for item in listed})
    return bool(found == 200)


def test_a_claim_gives_the_enterprise_by_a_reviewer_s_decision_alone(registry: Registry) -> None:
    record = patch(registry, draft(registry), GAPS)
    claimant = "enterprise_agent:new"
    made = claim(registry, record, claimant, reason="原经办人离职", ground="successor")
    assert (made["state"], made["town_code"]) == ("open", HONGCAO)
    assert not sees(registry, record, claimant)
    claim(registry, record, claimant, expect=409)  # one at a time
    for by, status in ((claimant, 403), (f"town_reviewer:t:{DONGCHONG}", 404), ("enterprise_agent:other", 404), ("auditor", 403),
                       ("data_feed", 404), ("bureau_approver", 404)):  # fmt: skip
        decide(registry, made, "grant", by, expect=status)
    both = f"enterprise_agent+town_reviewer:new:{HONGCAO}"
    assert decide(registry, made, "grant", both, expect=403)["errors"][0]["code"] == "same_hand"
    assert decide(registry, made, "grant", TOWN)["state"] == "granted"
    assert sees(registry, record, claimant)
    assert sees(registry, record, "enterprise_agent:ann")
    claim(registry, record, claimant, expect=409)  # it is theirs already
    record = registry.call("GET", f"{FIRMS}/{record['id']}", by=claimant).json
    record = act(registry, record, "submit", by=claimant)
    platform = registry.make(f"{BASE}/platforms", {"name": "新平台", "host_uscc": record["id"]}, by="enterprise_agent:ann")
    assert registry.call("GET", f"{BASE}/platforms/{platform['id']}", by=claimant).status_code == 200
    lines = registry.call("GET", f"{FIRMS}/{record['id']}/history", by="auditor").json["items"]
    assert [line["action"] for line in lines][-2:] == ["grant_claim", "submit"]


def test_a_claim_that_replaces_takes_it_from_the_former_agents(registry: Registry) -> None:
    record = patch(registry, draft(registry), GAPS)
    platform = registry.make(f"{BASE}/platforms", {"name": "在建平台", "host_uscc": record["id"]}, by="enterprise_agent:ann")
    helper = claim(registry, record, "enterprise_agent:helper")
    decide(registry, helper, "grant", TOWN)
    assert sees(registry, record, "enterprise_agent:helper")
    made = claim(registry, record, "enterprise_rep:boss", replaces=True, ground="registered_by_other")
    decide(registry, made, "grant", TOWN, reason="执照与授权书核实")
    assert sees(registry, record, "enterprise_rep:boss")
    for former in ("enterprise_agent:ann", "enterprise_agent:helper"):
        assert not sees(registry, record, former)
        assert registry.call("GET", f"{BASE}/platforms/{platform['id']}", by=former).status_code == 404
    assert registry.call("GET", f"{BASE}/platforms/{platform['id']}", by="enterprise_rep:boss").status_code == 200


def test_what_a_feed_registered_is_claimed_and_stays_the_feed_s(registry: Registry) -> None:
    record = registry.make(FIRMS, registry.body("enterprises"))
    made = claim(registry, record, "enterprise_agent:new", replaces=True)
    decide(registry, made, "grant", TOWN)
    assert sees(registry, record, "enterprise_agent:new")
    creators = {registry.stored("enterprises", record["id"])["created_by"], record["created_by"]}
    assert len(creators) == 1


def test_a_refused_claim_gives_nothing_and_may_be_made_again(registry: Registry) -> None:
    record = patch(registry, draft(registry), GAPS)
    made = claim(registry, record, "enterprise_agent:greedy")
    decide(registry, made, "refuse", TOWN, expect=422)
    assert decide(registry, made, "refuse", TOWN, reason="无授权")["state"] == "refused"
    assert not sees(registry, record, "enterprise_agent:greedy")
    second = claim(registry, record, "enterprise_agent:greedy")
    decide(registry, second, "withdraw", "enterprise_agent:ann", expect=404)
    assert decide(registry, second, "withdraw", "enterprise_agent:greedy")["state"] == "withdrawn"
    by_path = registry.call("GET", f"{FIRMS}/{record['id']}/claims", by=TOWN).json["items"]
    assert {each["state"] for each in by_path} == {"refused", "withdrawn"}
    assert registry.call("GET", f"{FIRMS}/{record['id']}/claims", by="enterprise_agent:nobody").json["items"] == []


def test_a_claim_of_what_is_not_registered_or_has_no_town_yet(registry: Registry) -> None:
    assert registry.call("POST", f"{FIRMS}/{uscc(next(NUMBERS))}/claims", {}, by="enterprise_agent:x").status_code == 404
    record = draft(registry)
    made = claim(registry, record, "enterprise_agent:new")
    decide(registry, made, "grant", TOWN, expect=404)  # no town's
    assert decide(registry, made, "grant", BUREAU)["state"] == "granted"
    other = claim(registry, record, "enterprise_agent:newer", town_code=HONGCAO)
    assert decide(registry, other, "grant", TOWN)["state"] == "granted"


# ---- gaps, defects, returns


def test_a_draft_has_gaps_and_submit_names_all_of_them(registry: Registry) -> None:
    record = draft(registry)
    problem = act(registry, record, "submit", expect=422)
    assert {(error["pointer"], error["code"]) for error in problem["errors"]} == {(f"/{name}", "required") for name in GAPS}
    assert registry.call("GET", f"{FIRMS}/{record['id']}", by="enterprise_agent:ann").json == record
    platform = registry.make(f"{BASE}/platforms", {"name": "平台"}, by="enterprise_agent:ann")
    problem = registry.act(f"{BASE}/platforms/{platform['id']}", 1, "submit", by="enterprise_agent:ann", expect=422)
    assert {error["pointer"] for error in problem["errors"]} == {"/platform_kind", "/town_code"}


def test_a_change_is_refused_with_all_its_faults(registry: Registry) -> None:
    faults = {"town_code": "1", "industry_code": "0000", "established_on": "2020-02-30", "bogus": 1, "void": None}
    problem = patch(registry, draft(registry), faults, expect=422)
    assert {error["pointer"] for error in problem["errors"]} == {f"/{name}" for name in faults}


RETURNED = [{"pointer": "/address", "message": "与执照不一致"}, {"pointer": "/contact_phone", "message": "空号"}]


def test_a_returned_file_says_why_field_by_field_and_comes_back_with_only_what_changed(registry: Registry) -> None:
    contact = {"address": "旧址", "contact_name": "王明", "contact_phone": "13800000000"}
    record = act(registry, patch(registry, draft(registry), GAPS | contact), "submit")
    path = f"{FIRMS}/{record['id']}"
    seen = registry.call("GET", f"{path}/changes", by=TOWN).json
    assert (seen["since"], seen["returned"], seen["personal"]) == (0, None, ["contact_name", "contact_phone"])
    assert seen["changed"]["town_code"] == {"from": None, "to": HONGCAO}
    returned = act(registry, record, "return", by=TOWN, faults=RETURNED)
    assert returned["returned"]["faults"] == RETURNED
    mended = patch(registry, returned, {"address": "新址", "contact_phone": "13900000000", "contact_name": "王明"})
    assert mended["returned"]["faults"] == RETURNED
    record = act(registry, mended, "submit")
    assert "returned" not in record
    seen = registry.call("GET", f"{path}/changes", by=TOWN).json
    assert seen["changed"] == {"address": {"from": "旧址", "to": "新址"}}
    assert (seen["personal"], seen["since"], seen["returned"]["faults"]) == (["contact_phone"], returned["version"], RETURNED)
    assert act(registry, record, "recommend", by=TOWN)["state"] == "bureau_review"
    lines = registry.call("GET", f"{path}/history", by="auditor").json["items"]
    assert [line["version"] for line in lines] == list(range(1, record["version"] + 2))
    assert [line["record"].get("address") for line in lines] == [None, "旧址", "旧址", "旧址", "新址", "新址", "新址"]
    assert lines[3]["faults"] == RETURNED
    earlier = registry.call("GET", f"{path}/changes?since=2", by=TOWN).json
    assert (earlier["since"], earlier["changed"]) == (2, seen["changed"])
    assert registry.call("GET", f"{path}/changes?since=99", by=TOWN).status_code == 422


def test_a_return_names_fields_that_there_are_and_needs_a_reason(registry: Registry) -> None:
    record = act(registry, patch(registry, draft(registry), GAPS), "submit")
    wrong: list[Any] = [None, [], ["x"], [{"pointer": "/nonsense", "message": "x"}], [{"pointer": "address", "message": "x"}],
                        [{"pointer": "/address"}], [{"pointer": "/address", "message": " "}], {"address": "x"}]  # fmt: skip
    for faults in wrong:
        act(registry, record, "return", by=TOWN, expect=422, faults=faults)
    act(registry, record, "recommend", by=TOWN, expect=422, faults=RETURNED)
    assert act(registry, record, "return", by=TOWN, reason="补正")["returned"] | {"at": ""} == {"at": "", "reason": "补正", "faults": []}


def test_a_reviewer_s_words_are_in_no_event(registry: Registry) -> None:
    record = act(registry, patch(registry, draft(registry), GAPS), "submit")
    act(registry, record, "return", by=TOWN, reason="王某电话不通", faults=[{"pointer": "/contact_phone", "message": "王某电话"}])
    change = registry.records.database.changes.find_one({"record_id": record["id"]}, sort=[("version", -1)])
    assert "王某" not in str(change["after"])
