"""What an outside reader of the contract tried first: changes, hands, scopes, hostile values."""

from __future__ import annotations

import json
import time
from typing import Any

import pytest

from services.incentives.kinds import KINDS as INCENTIVES
from services.registry.kinds import KINDS
from shared.records.imports import Imports
from shared.records.intake import work
from shared.records.service import records_of
from tests.integration.records.conftest import Office
from tests.integration.records.test_kinds import bodies
from tests.system.made import DONGCHONG, HONGCAO, citizen_id, uscc

NUMBER = iter(range(100, 999))
REGISTRY = "/registry/v1"


def made(office: Office, kind: str, **more: Any) -> tuple[str, Any]:
    """The path and the JSON of a new record by a feed."""
    service = "registry" if kind in {one.name for one in KINDS} else "incentives"
    record = office.make(f"/{service}/v1/{kind}", bodies(next(NUMBER))[kind] | more)
    return f"/{service}/v1/{kind}/{record['id']}", record


def patch(office: Office, path: str, version: int, body: Any, *, by: str = "data_feed", expect: int = 200) -> Any:
    answer = office.call("PATCH", path, body, by=by, version=version)
    assert answer.status_code == expect, answer.text
    return answer.json


def pointers(problem: Any) -> set[str]:
    return {error["pointer"] for error in problem["errors"]}


# ---- what a body cannot mean


@pytest.mark.parametrize("given", [
    {"state": {"$gt": ""}}, {"state": 5}, {"history": "x"}, {"history": ["x"]}, {"history": [{"action": 1, "at": "yesterday"}]},
    {"history": [{"action": "submit", "at": "0001-01-01T00:00:00+14:00", "actor": "a"}]}, {"reason": {"$gt": ""}},
])
def test_what_a_feed_brings_along_is_typed(office: Office, given: Any) -> None:
    answer = office.call("POST", f"{REGISTRY}/enterprises", bodies(next(NUMBER))["enterprises"] | given)
    assert answer.status_code == 422
    assert all(pointer.startswith(f"/{next(iter(given))}") for pointer in pointers(answer.json))


@pytest.mark.parametrize("query", ["limit=²", "limit=" + "9" * 5000, "q=%00", "q=" + "a" * 600, "as_of=x"])
def test_a_query_that_means_nothing_is_refused(office: Office, query: str) -> None:
    assert office.call("GET", f"{REGISTRY}/enterprises?{query}").status_code == 422


@pytest.mark.parametrize("after", ["²", "-1", "9" * 40])
def test_a_cursor_of_the_event_feed_is_one_of_ours(office: Office, after: str) -> None:
    assert office.call("GET", f"{REGISTRY}/events?after={after}", by="auditor").status_code == 422


@pytest.mark.parametrize("day", ["2026-06-30xx", "20260630", "2026-W27-2", "0001-01-01T00:00:00+14:00"])
def test_a_day_is_written_in_one_way(office: Office, day: str) -> None:
    path, _ = made(office, "enterprises")
    assert office.call("GET", path, query_string={"as_of": day}).status_code == 422
    assert office.call("GET", path, query_string={"as_of": "2026-06-29T16:00:00Z"}).json["as_of"] == "2026-06-30"


@pytest.mark.parametrize("kind", ["patents", "platforms"])
def test_a_transfer_names_a_credit_code(office: Office, kind: str) -> None:
    path, _ = made(office, kind)
    assert pointers(office.act(path, 1, "transfer", expect=422, into="x")) == {"/into"}


@pytest.mark.parametrize(("field", "value"), [
    ("town_code", "999999999"), ("town_code", "441502000"), ("industry_code", "0000"), ("industry_code", "9999"),
])
def test_codes_are_of_their_standard(office: Office, field: str, value: str) -> None:
    answer = office.call("POST", f"{REGISTRY}/enterprises", bodies(next(NUMBER))["enterprises"] | {field: value})
    assert (answer.status_code, pointers(answer.json)) == (422, {f"/{field}"})


@pytest.mark.parametrize("year", ["2026", 2026.5, True])
def test_a_year_is_a_whole_number(office: Office, year: Any) -> None:
    body = bodies(next(NUMBER))["tech-sme-entries"] | {"eval_year": year}
    assert office.call("POST", f"{REGISTRY}/tech-sme-entries", body).status_code == 422


def test_two_values_under_one_name_are_refused(office: Office) -> None:
    text = json.dumps(bodies(next(NUMBER))["agri-bases"])[:-1] + ', "name": "另一个"}'
    answer = office.call("POST", f"{REGISTRY}/agri-bases", data=text.encode(), content_type="application/json")
    assert answer.status_code == 400


@pytest.mark.parametrize("number", ["2026/0001", "a b", "a?b", "a#b", "50%", "..", "a\\b"])
def test_a_number_that_no_address_can_carry_names_no_record(office: Office, number: str) -> None:
    contract = bodies(next(NUMBER))["tech-contracts"] | {"registration_no": number}
    answer = office.call("POST", f"{REGISTRY}/tech-contracts", contract)
    assert (answer.status_code, pointers(answer.json)) == (422, {"/registration_no"})
    budget = bodies(next(NUMBER))["budgets"] | {"budget_code": number}
    answer = office.call("POST", "/incentives/v1/budgets", budget)
    assert (answer.status_code, pointers(answer.json)) == (422, {"/budget_code"})


def test_a_number_in_chinese_is_read_where_it_was_written(office: Office) -> None:
    made_there, record = made(office, "tech-contracts", registration_no=" 粤技合〔2026〕1号 ")
    assert office.call("GET", made_there).json == record


def test_every_fault_of_a_change_and_of_a_step_is_told_at_once(office: Office) -> None:
    path, _ = made(office, "enterprises")
    body = {"town_code": "x", "bogus": 1, "effective_on": "2026-13-01", "reason": 5}
    assert pointers(patch(office, path, 1, body, expect=422)) == {f"/{name}" for name in body}
    step = {"bogus": 1, "effective_on": "20260630", "reason": 5, "level": {}}
    assert pointers(office.act(path, 1, "move_out", expect=422, **step)) == {f"/{name}" for name in step}
    assert pointers(office.act(path, 1, "move_out", expect=422, effective_on=20260630)) == {"/effective_on"}


def test_a_fault_is_told_in_both_languages(office: Office) -> None:
    body = {"name": 5, "cluster_codes": ["steel"], "former_names": "x", "bogus": 1, "contact_email": "x"}
    answer = office.call("POST", f"{REGISTRY}/enterprises", body)
    told = {error["pointer"]: error["message"] for error in answer.json["errors"]}
    assert told["/uscc"] == "必填 Missing data for required field."
    assert all(message[0] > "\u4e00" and any("a" <= letter <= "z" for letter in message) for message in told.values()), told


# ---- changes


def test_a_patch_takes_a_personal_field_away(office: Office) -> None:
    path, _ = made(office, "enterprises", contact_phone="13800000000", contact_name="王明")
    assert "contact_phone" in office.call("GET", path).json
    assert "contact_phone" not in patch(office, path, 1, {"contact_phone": None})
    assert office.call("GET", path).json["contact_name"] == "王*"


def test_a_correction_holds_from_the_first_day_and_a_move_can_be_dated_anew(office: Office) -> None:
    path, record = made(office, "enterprises", town_code=HONGCAO)
    began = record["towns"][0]["from"]
    patch(office, path, 1, {"town_code": DONGCHONG, "effective_on": "2026-07-15"})
    earlier = patch(office, path, 2, {"town_code": DONGCHONG, "effective_on": "2026-07-01"})
    assert [spell["from"] for spell in earlier["towns"]] == [began, "2026-07-01"]
    corrected = patch(office, path, 3, {"town_code": "441502001"})
    assert corrected["towns"] == [{"from": began, "to": None, "value": "441502001"}]


def test_a_corrected_first_day_corrects_the_state(office: Office) -> None:
    path, _ = made(office, "hnte-certificates", issued_on="2024-12-01")
    patch(office, path, 1, {"issued_on": "2023-12-01"})
    assert office.call("GET", path + "?as_of=2024-01-01").json["state"] == "verified"


def test_a_corrected_subject_is_told_to_both(office: Office) -> None:
    path, record = made(office, "hnte-certificates")
    other = uscc(next(NUMBER))
    patch(office, path, 1, {"uscc": other})
    patch(office, path, 2, {"source": "更正"})
    records, _ = records_of("registry", KINDS, office.environ)
    keys = [change["keys"] for change in records.database.changes.find({"record_id": record["id"]}).sort("version", 1)]
    assert keys == [[record["uscc"]], [other, record["uscc"]], [other, record["uscc"]]]


def test_a_corrected_number_is_told_to_both_persons(office: Office) -> None:
    path, record = made(office, "introductions")
    patch(office, path, 1, {"person": {"id_number": citizen_id(999)}})
    records, _ = records_of("incentives", INCENTIVES, office.environ)
    keys = [change["keys"] for change in records.database.changes.find({"record_id": record["id"]}).sort("version", 1)]
    assert len(keys[1]) == 2
    assert keys[0][0] in keys[1]


def test_a_reviewer_proposes_and_a_second_proposal_waits_its_turn(office: Office) -> None:
    path, record = made(office, "enterprises")
    proposed = patch(office, path, 1, {"name": "改名"}, by="bureau_reviewer:a")
    assert (proposed["name"], proposed["proposed_change"]["patch"]) == (record["name"], {"name": "改名"})
    patch(office, path, 2, {"name": "再改"}, by="bureau_reviewer:b", expect=409)
    office.act(path, 2, "move_out", by="bureau_reviewer:b", expect=409, reason="迁")
    office.act(path, 2, "confirm_change", by="bureau_reviewer:a", expect=403)
    assert office.act(path, 2, "confirm_change", by="bureau_reviewer:b")["name"] == "改名"


def test_who_may_not_change_is_told_so_before_the_faults(office: Office) -> None:
    path, _ = made(office, "enterprises")
    patch(office, path, 1, {"nonsense": 1}, by="auditor", expect=403)


# ---- hands and guards


def test_a_merge_into_nothing_is_no_proposal(office: Office) -> None:
    path, _ = made(office, "enterprises")
    assert pointers(office.act(path, 1, "merge", by="bureau_reviewer:a", expect=422, into=uscc(9998))) == {"/into"}


def test_a_merge_goes_into_a_record_that_counts(office: Office) -> None:
    (path, _), (other, record) = made(office, "introductions"), made(office, "introductions")
    office.act(other, 1, "invalidate", reason="虚假")
    assert pointers(office.act(path, 1, "merge", expect=422, into=record["id"], reason="同一人")) == {"/into"}


def test_whoever_verified_may_reinstate_what_another_revoked(office: Office) -> None:
    base = f"{REGISTRY}/agri-bases"
    record = office.make(base, bodies(next(NUMBER))["agri-bases"], by="bureau_reviewer:a")
    path = f"{base}/{record['id']}"
    office.act(path, 1, "verify", by="bureau_reviewer:b")
    office.act(path, 2, "revoke", by="bureau_reviewer:a", reason="误")
    office.act(path, 3, "reinstate", by="bureau_reviewer:a", expect=403, reason="复")
    assert office.act(path, 3, "reinstate", by="bureau_reviewer:b", reason="复")["state"] == "verified"


def test_a_revoked_entry_never_was_one(office: Office) -> None:
    path, _ = made(office, "tech-sme-entries", announced_on="2026-03-01")
    office.act(path, 1, "revoke", reason="撤销")
    assert office.call("GET", path + "?as_of=2026-03-01").json["state"] == "revoked"


def test_nothing_comes_back_before_it_went(office: Office) -> None:
    path, _ = made(office, "enterprises")
    office.act(path, 1, "move_out", effective_on="2026-05-01")
    assert pointers(office.act(path, 2, "move_in", expect=422, effective_on="2026-04-01")) == {"/effective_on"}
    path, _ = made(office, "patents")
    office.act(path, 1, "lapse", effective_on="2026-05-01")
    assert pointers(office.act(path, 2, "restore", expect=422, effective_on="2026-04-01")) == {"/effective_on"}


def test_a_lost_level_leaves_a_platform_under_rectification(office: Office) -> None:
    levels = [{"level": level, "granted_on": "2025-01-01"} for level in ("municipal", "provincial")]
    path, _ = made(office, "platforms", accreditations=levels)
    office.act(path, 1, "rectify", effective_on="2026-03-01", reason="整改")
    lost = office.act(path, 2, "revoke", level="provincial", effective_on="2026-02-01", reason="摘牌")
    assert lost["state"] == "rectifying"
    assert [spell["value"] for spell in lost["states"]] == ["accredited", "rectifying"]
    gone = office.act(path, 3, "revoke", level="municipal", effective_on="2026-04-01", reason="摘牌")
    assert gone["state"] == "revoked"


def test_only_an_open_objection_is_resolved(office: Office) -> None:
    path, record = made(office, "platforms", state="formal_review")
    office.act(path, 1, "resolve", by="bureau_reviewer:a", expect=409, reason="x")
    path, record = made(office, "platforms", state="publicity")
    objected = office.act(path, 1, "object", by="viewer:neighbour", reason="不实")
    assert objected["state"] == "formal_review"
    assert office.act(path, 2, "resolve", by="bureau_reviewer:a", reason="查无")["state"] == "publicity"
    assert office.call("GET", path, by="enterprise_agent:x").json["name"] == record["name"]


def test_a_feed_records_an_accreditation_at_once(office: Office) -> None:
    path, record = made(office, "platforms", accreditations=[])
    assert record["state"] == "draft"
    grant = {"level": "municipal", "granted_on": "2026-03-01", "doc_no": "文1"}
    assert office.act(path, 1, "accredit", accreditation=grant, effective_on="2026-03-01")["state"] == "accredited"
    other, _ = made(office, "platforms", accreditations=[])
    office.act(other, 1, "accredit", by="bureau_approver:a", expect=403, accreditation=grant)


def test_what_may_be_done_next_is_what_this_person_may_do(office: Office) -> None:
    def actions(path: str, by: str) -> set[str]:
        return {line["action"] for line in office.call("GET", f"{path}/transitions", by=by).json["next"]}

    base = f"{REGISTRY}/agri-bases"
    record = office.make(base, bodies(next(NUMBER))["agri-bases"], by="bureau_reviewer:a")
    path = f"{base}/{record['id']}"
    assert "verify" not in actions(path, "bureau_reviewer:a")
    assert "verify" in actions(path, "bureau_reviewer:b")
    office.act(path, 1, "verify", by="bureau_reviewer:b")
    patch(office, path, 2, {"name": "改"}, by="bureau_reviewer:a")
    assert "confirm_change" in actions(path, "bureau_reviewer:b")
    assert "confirm_change" not in actions(path, "bureau_reviewer:a")
    firm, _ = made(office, "enterprises")
    assert "move_out" in actions(firm, "bureau_reviewer:b")
    patch(office, firm, 1, {"name": "改名"}, by="bureau_reviewer:a")
    assert actions(firm, "bureau_reviewer:b") == {"confirm_change", "refuse_change"}
    assert "move_out" in actions(firm, "data_feed")


# ---- scopes


def test_a_town_sees_the_facts_of_its_own_enterprises(office: Office) -> None:
    n = next(NUMBER)
    office.make(f"{REGISTRY}/enterprises", bodies(n)["enterprises"] | {"town_code": HONGCAO})
    record = office.make(f"{REGISTRY}/hnte-certificates", bodies(n)["hnte-certificates"])
    path = f"{REGISTRY}/hnte-certificates/{record['id']}"
    seen = {}
    for town in (HONGCAO, DONGCHONG):
        by = f"town_reviewer:t:{town}"
        listed = office.call("GET", f"{REGISTRY}/hnte-certificates?uscc={record['uscc']}", by=by).json["items"]
        seen[town] = (office.call("GET", path, by=by).status_code, len(listed))
    assert seen == {HONGCAO: (200, 1), DONGCHONG: (404, 0)}


def test_a_sysadmin_holds_no_business_role(office: Office) -> None:
    token = office.issuer.mint(["sysadmin", "data_feed", "auditor"], "root")
    answer = office.call("GET", f"{REGISTRY}/enterprises", by="", headers={"Authorization": f"Bearer {token}"})
    assert answer.status_code == 403


# ---- imports


@pytest.fixture(scope="module")
def imports(office: Office) -> Imports:
    return Imports(records_of("registry", KINDS, office.environ)[0])


def run(office: Office, imports: Imports, kind: str, data: bytes, media: str) -> Any:
    answer = office.call("POST", f"{REGISTRY}/{kind}/import", data=data, content_type=media)
    assert answer.status_code == 202, answer.text
    job = imports.take("worker", time.time())
    assert job is not None
    work.run(imports, job, "worker", time.time)
    return office.call("GET", f"{REGISTRY}/{kind}/imports/{answer.json['id']}").json


def test_hostile_rows_are_refused_rows(office: Office, imports: Imports) -> None:
    good = bodies(next(NUMBER))["agri-bases"]
    rows = [good, *(good | {"name": value} for value in ({"$where": "1"}, {"$gt": ""}, "\ud800", "a\x00", 2**70, [[]]))]
    job = run(office, imports, "agri-bases", "\n".join(map(json.dumps, rows)).encode(), "application/x-ndjson")
    assert (job["state"], job["created"], job["refused"]) == ("done", 1, 6)
    assert {error["row"] for error in job["errors"]} == {2, 3, 4, 5, 6, 7}


def test_a_table_s_cells_take_the_schema_s_types(office: Office, imports: Imports) -> None:
    n = next(NUMBER)
    data = ("registration_no,registered_on,contract_type,seller_uscc,deal_amount_fen,tech_amount_fen\n"
            f"{n}7,2026-02-01,service,{uscc(n)},200,１００\n")
    job = run(office, imports, "tech-contracts", data.encode(), "text/csv")
    assert (job["created"], job["errors"]) == (1, [])
    assert office.call("GET", f"{REGISTRY}/tech-contracts/{n}7").json["tech_amount_fen"] == 100


def test_a_file_that_is_none_fails_with_a_reason(office: Office, imports: Imports) -> None:
    broken = b'name,town_code\n"' + b"a" * 200_000
    job = run(office, imports, "agri-bases", broken, "text/csv")
    assert (job["state"], "CSV" in job["reason"]) == ("failed", True)


def test_an_import_with_one_key_is_one_import(office: Office) -> None:
    def hand_in(kind: str, data: bytes) -> Any:
        return office.call("POST", f"{REGISTRY}/{kind}/import?dry_run=true", data=data, content_type="text/csv",
                           headers={"Idempotency-Key": "import-1"})

    first = hand_in("agri-bases", b"name\n")
    assert hand_in("agri-bases", b"name\n").json == first.json
    assert hand_in("agri-bases", b"town_code\n").status_code == 422
    assert hand_in("agri-varieties", b"name\n").status_code == 422


def test_a_fact_that_is_revoked_before_it_was_verified_never_counted(office: Office) -> None:
    body = bodies(next(NUMBER))["hnte-certificates"]
    record = office.make(f"{REGISTRY}/hnte-certificates", body, by="bureau_reviewer")
    path = f"{REGISTRY}/hnte-certificates/{record['id']}"
    answer = office.call("POST", f"{path}/transitions", {"action": "revoke", "reason": "误录"}, by="bureau_reviewer", version=1)
    assert answer.status_code == 200, answer.text
    assert answer.json["revoked"] == [{"from": body["issued_on"], "to": None}]


def test_a_first_value_holds_from_its_day_and_not_before(office: Office) -> None:
    path, record = made(office, "enterprises")
    assert not record.get("clusters")
    patched = patch(office, path, 1, {"cluster_codes": ["marine"], "effective_on": "2026-04-01", "reason": "入链"})
    assert patched["clusters"] == [{"from": "2026-04-01", "to": None, "value": ["marine"]}]
