"""What every record kind does, over all of them."""

from __future__ import annotations

import json
from typing import Any

import pytest

from services.incentives.kinds import KINDS as INCENTIVES
from services.registry.kinds import KINDS as REGISTRY
from tests.integration.incentives.conftest import make_policy
from tests.integration.records.conftest import Office
from tests.system.made import DONGCHONG, HONGCAO, certificate, citizen_id, enterprise, introduction, uscc

NUMBER = iter(range(1000, 9000))
PATENT_CHECK = "0123456789X"


def patent_no(number: int) -> str:
    digits = f"2024{9_000_000 + number:08d}"
    return f"ZL{digits}.{PATENT_CHECK[sum(int(c) * w for c, w in zip(digits, (2, 3, 4, 5, 6, 7, 8, 9, 2, 3, 4, 5), strict=True)) % 11]}"


def person(number: int) -> dict[str, str]:
    return {"name": "欧阳明珠", "id_kind": "citizen_id", "id_number": citizen_id(number % 1000)}


def bodies(n: int) -> dict[str, dict[str, Any]]:
    firm = uscc(n)
    return {
        "enterprises": enterprise(n), "hnte-certificates": certificate(f"GR202444{900000 + n}", firm, "2024-12-01"),
        "tech-sme-entries": {"entry_no": f"2026441502{n:08d}", "uscc": firm, "eval_year": 2026, "announced_on": "2026-03-01"},
        "above-scale-spells": {"uscc": firm, "from_month": "2025-01"},
        "rd-units": {"uscc": firm, "name": "研发部", "valid_from": "2025-01-01"},
        "platforms": {"name": f"平台{n}", "platform_kind": "key_laboratory", "town_code": HONGCAO, "host_uscc": firm,
                      "accreditations": [{"level": "municipal", "granted_on": "2025-01-01"}]},
        "tech-contracts": {"registration_no": f"T{n}", "registered_on": "2026-02-01", "contract_type": "service", "seller_uscc": firm,
                           "deal_amount_fen": 200, "tech_amount_fen": 100},
        "patents": {"patent_no": patent_no(n), "patent_kind": "invention", "granted_on": "2024-01-01", "first_patentee_uscc": firm},
        "industrial-internet-projects": {"uscc": firm, "name": "上云", "accepted_on": "2025-01-01"},
        "credit-lines": {"uscc": firm, "bank": "某银行", "amount_fen": 1, "valid_from": "2025-01-01", "valid_to": "2026-01-01"},
        "agri-bases": {"name": f"基地{n}", "town_code": HONGCAO, "accepted_on": "2025-01-01"},
        "agri-varieties": {"name": f"番薯{n}", "town_code": HONGCAO, "promoted_on": "2025-01-01"},
        "statistics": {"series_code": "gdp", "period": "2024", "scope_code": "441502", "value": "390.00", "unit": "亿元",
                       "status": "final", "published_on": "2025-10-01", "doc_no": f"文{n}"},
        "evidence-items": {"indicator_id": "bay_coop_count", "title": f"合作{n}", "attested_on": "2025-01-01"},
        "introductions": introduction(citizen_id(n % 1000), "欧阳明珠", firm, HONGCAO, "2025-07-01"),
        "talent-recognitions": {"person": person(n), "category": "highend", "granted_on": "2025-01-01", "doc_no": f"文{n}"},
        "policies": make_policy(f"policy-{n}"),
        "offers": {"policy_id": "p", "policy_code": f"policy-{n}", "version_no": 1, "title": {"zh": "奖补", "en": "Grant"}, "clause": "第一条",
                   "beneficiary": "enterprise", "uscc": firm, "item": "one", "amount_fen": 100, "decision": {"outcome": "eligible"}},
        "budgets": {"budget_code": f"B{n}", "name": f"预算{n}", "total_fen": 100},
        "teams": {"category": "hl_team", "granted_on": "2025-01-01", "doc_no": f"文{n}", "leader": person(n)},
    }


OF_OTHERS = {"applications", "payment-batches", "claims"}  # they stand on other records: integration/money and integration/registry make them
ALL = [(service, kind) for service, kinds in (("registry", REGISTRY), ("incentives", INCENTIVES)) for kind in kinds if kind.name not in OF_OTHERS]
COUNTING = {"enterprises": "active", "platforms": "accredited", "introductions": "registered", "policies": "in_force", "offers": "offered"}


@pytest.fixture(params=ALL, ids=lambda pair: pair[1].name)
def made(request: pytest.FixtureRequest, office: Office) -> Any:
    service, kind = request.param
    body = bodies(next(NUMBER))[kind.name]
    base = f"/{service}/v1/{kind.name}"
    return kind, base, body, office.make(base, body)


def test_a_feed_s_record_counts_at_once(made: Any) -> None:
    kind, _, body, record = made
    assert record["state"] == COUNTING.get(kind.name, "verified")
    assert (record["kind"], record["version"]) == (kind.name, 1)
    if kind.natural_key:
        assert record["id"] == body[kind.natural_key]


def test_a_wrong_body_is_refused_with_all_its_faults(office: Office, made: Any) -> None:
    kind, base, body, _ = made
    required = [name for name, field in kind.schema.fields.items() if field.required]
    answer = office.call("POST", base, {name: value for name, value in body.items() if name not in required} | {"bogus": 1})
    assert (answer.status_code, answer.content_type) == (422, "application/problem+json")
    pointers = {error["pointer"] for error in answer.json["errors"]}
    assert {f"/{name}" for name in required} | {"/bogus"} <= pointers


def test_a_change_needs_the_version_that_was_seen(office: Office, made: Any) -> None:
    _, base, _, record = made
    path = f"{base}/{record['id']}"
    assert office.call("PATCH", path, {"source": "更正"}).status_code == 428
    assert office.call("PATCH", path, {"source": "更正"}, version=7).status_code == 412
    fresh = office.call("PATCH", path, {"source": "更正"}, version=1)
    assert (fresh.status_code, fresh.json["version"], fresh.headers["ETag"]) == (200, 2, '"2"')
    lines = office.call("GET", f"{path}/history").json["items"]
    assert [line["version"] for line in lines] == [1, 2]
    assert lines[1]["diff"]["source"]["to"] == "更正"
    assert all(line["hash"] for line in lines)


def test_nobody_and_strangers_are_refused(office: Office, made: Any) -> None:
    _, base, body, record = made
    for method, path in (("GET", base), ("POST", base), ("GET", f"{base}/{record['id']}")):
        assert office.call(method, path, body if method == "POST" else None, by="").status_code == 401
    for role in ("sysadmin", "viewer", "talent"):
        assert office.call("POST", base, body, by=role).status_code == 403
        assert office.call("GET", f"{base}/{record['id']}", by=role).status_code in (403, 404)


def test_no_personal_data_leaves(office: Office, made: Any) -> None:
    _, base, body, record = made
    texts = [json.dumps(record), office.call("GET", f"{base}/{record['id']}/history").text, office.call("GET", base + "?limit=500").text]
    secret = json.dumps(body, ensure_ascii=False)
    for text in texts:
        assert "欧阳明珠" not in text
        for number in ("id_number",):
            value = (body.get("person") or body.get("leader") or {}).get(number)
            assert value is None or (value in secret and value not in text)


def test_a_fact_needs_a_second_hand(office: Office) -> None:
    n = next(NUMBER)
    posters = {"statistics": ("stat_reporter", "stat_verifier"), "evidence-items": ("plan_officer", "plan_officer"),
               "budgets": ("treasury_officer", "treasury_officer")}
    for service, kind in ALL:
        if "verify" not in kind.workflow.actions:
            continue
        poster, verifier = posters.get(kind.name, ("bureau_reviewer", "bureau_reviewer"))
        base = f"/{service}/v1/{kind.name}"
        record = office.make(base, bodies(n)[kind.name] | {"source": "手工"}, by=f"{poster}:first")
        assert record["state"] == "recorded"
        path = f"{base}/{record['id']}"
        office.act(path, 1, "verify", by=f"{verifier}:first", expect=403)
        assert office.act(path, 1, "verify", by=f"{verifier}:second")["state"] == "verified"
        office.act(path, 2, "revoke", by=f"{verifier}:second", expect=422)
        gone = office.act(path, 2, "revoke", by=f"{verifier}:second", reason="有误", effective_on="2026-05-01")
        assert gone["revoked"] == [{"from": "2026-05-01", "to": None}]
        back = office.act(path, 3, "reinstate", by=f"{verifier}:third", reason="更正", effective_on="2026-06-01")
        assert back["revoked"] == [{"from": "2026-05-01", "to": "2026-06-01"}]


def test_the_same_key_gives_the_same_answer(office: Office) -> None:
    body = bodies(next(NUMBER))["evidence-items"]
    headers = {"Idempotency-Key": "k1"}
    first = office.call("POST", "/registry/v1/evidence-items", body, headers=dict(headers))
    again = office.call("POST", "/registry/v1/evidence-items", body, headers=dict(headers))
    other = office.call("POST", "/registry/v1/evidence-items", body | {"title": "别的"}, headers=dict(headers))
    assert (first.status_code, again.status_code, other.status_code) == (201, 201, 422)
    assert first.json == again.json


def test_a_natural_key_is_taken_once(office: Office) -> None:
    body = enterprise(next(NUMBER))
    office.make("/registry/v1/enterprises", body)
    answer = office.call("POST", "/registry/v1/enterprises", body)
    assert (answer.status_code, answer.json["code"]) == (409, "conflict")


def test_a_move_closes_one_spell_and_opens_the_next(office: Office) -> None:
    record = office.make("/registry/v1/enterprises", enterprise(next(NUMBER)))
    path = f"/registry/v1/enterprises/{record['id']}"
    moved = office.call("PATCH", path, {"town_code": DONGCHONG, "effective_on": "2026-07-15", "reason": "迁址"}, version=1).json
    assert moved["towns"] == [
        {"from": "2015-06-01", "to": "2026-07-15", "value": HONGCAO}, {"from": "2026-07-15", "to": None, "value": DONGCHONG},
    ]
    assert office.call("GET", f"{path}?as_of=2026-07-14").json["town_code"] == HONGCAO
    assert office.call("GET", f"{path}?as_of=2026-07-15").json["town_code"] == DONGCHONG


def test_a_change_of_a_counting_record_waits_for_a_second_person(office: Office) -> None:
    n = next(NUMBER)
    record = office.make("/registry/v1/enterprises", enterprise(n))
    path = f"/registry/v1/enterprises/{record['id']}"
    agent = f"enterprise_agent:agent:{uscc(n)}"
    proposed = office.call("PATCH", path, {"name": "新名称有限公司", "effective_on": "2026-08-01"}, by=agent, version=1).json
    assert (proposed["name"], proposed["proposed_change"]["patch"]) == (record["name"], {"name": "新名称有限公司"})
    office.act(path, 2, "confirm_change", by=agent, expect=403)
    assert office.act(path, 2, "confirm_change", by="bureau_reviewer:r")["name"] == "新名称有限公司"


def test_self_registration_needs_three_people(office: Office) -> None:
    n = next(NUMBER)
    path = f"/registry/v1/enterprises/{uscc(n)}"
    agent, town, bureau = "enterprise_agent:a", f"town_reviewer:t:{HONGCAO}", "bureau_reviewer:b"
    draft = office.make("/registry/v1/enterprises", {"uscc": uscc(n), "name": "新生科技"}, by=agent)
    assert draft["state"] == "draft"
    missing = office.act(path, 1, "submit", by=agent, expect=422)
    assert {error["pointer"] for error in missing["errors"]} == {"/town_code", "/industry_code", "/established_on"}
    gaps = {"town_code": HONGCAO, "industry_code": "3974", "established_on": "2020-01-01"}
    assert office.call("PATCH", path, gaps, by="enterprise_agent:stranger", version=1).status_code == 404
    office.call("PATCH", path, gaps, by=agent, version=1)
    office.act(path, 2, "submit", by=agent)
    office.act(path, 3, "recommend", by=f"town_reviewer:t:{DONGCHONG}", expect=404)
    office.act(path, 3, "return", by=town, expect=422)
    office.act(path, 3, "return", by=town, reason="补正")
    assert office.call("PATCH", path, {"name": "改"}, by=bureau, version=4).status_code == 403
    office.act(path, 4, "submit", by=agent)
    office.act(path, 5, "recommend", by="town_reviewer:a:" + HONGCAO, expect=403)
    office.act(path, 5, "recommend", by=f"town_reviewer:t2:{HONGCAO}")
    office.act(path, 6, "approve", by="bureau_reviewer:t2", expect=403)
    office.act(path, 6, "approve", by=f"{agent}", expect=403)
    active = office.act(path, 6, "approve", by=bureau)
    assert (active["state"], active["alive"]) == ("active", [{"from": "2020-01-01", "to": None, "value": True}])
    office.act(path, 7, "move_out", by=bureau, effective_on="2026-09-01")
    out = office.act(path, 8, "confirm_change", by="bureau_reviewer:c")
    assert (out["state"], out["alive"][0]["to"]) == ("moved_out", "2026-09-01")


def test_an_accreditation_supersedes_the_lower_one(office: Office) -> None:
    record = office.make("/registry/v1/platforms", bodies(next(NUMBER))["platforms"])
    path = f"/registry/v1/platforms/{record['id']}"
    grant = {"level": "provincial", "granted_on": "2026-02-01", "doc_no": "省", "supersedes": True}
    raised = office.act(path, 1, "upgrade", accreditation=grant)
    assert [a.get("ended_on") for a in raised["accreditations"]] == ["2026-02-01", None]
    gone = office.act(path, 2, "revoke", reason="评估不合格", effective_on="2026-06-01", level="provincial")
    assert (gone["state"], gone["accreditations"][1]["ended_on"]) == ("revoked", "2026-06-01")
    both = office.make("/registry/v1/platforms", bodies(next(NUMBER))["platforms"])
    path = f"/registry/v1/platforms/{both['id']}"
    office.act(path, 1, "upgrade", accreditation=grant | {"supersedes": False})
    kept = office.act(path, 2, "revoke", reason="评估", effective_on="2026-06-01", level="provincial")
    assert kept["state"] == "accredited"
    moved = office.act(path, 3, "transfer", into=uscc(8999), effective_on="2026-07-01")
    assert [spell["value"] for spell in moved["hosts"]] == [both["host_uscc"], uscc(8999)]


HOSTILE = [
    b"", b"{", b"[]", b"nul", b'{"a": NaN}', b"\xff\xfe", b"[" * 100_000, b'{"a":' * 5_000, b'{"uscc": 9223372036854775808}',
    b'{"name": "\\ud800"}', b'{"name": "a\\u0000b"}', b'{"uscc": {"$gt": ""}}', b'{"established_on": "0001-01-01T00:00:00+14:00"}',
    b'{"_id": 1}', b'{"state": "active"}', b'{"__proto__": {}}', b'{"name": "' + b"x" * 100_000 + b'"}',
]


@pytest.mark.parametrize("raw", HOSTILE, ids=lambda raw: raw[:24].decode(errors="replace"))
def test_hostile_bodies_are_refused_and_change_nothing(office: Office, raw: bytes) -> None:
    before = office.call("GET", "/registry/v1/events", by="auditor").json["pending"]
    for role in ("data_feed", "enterprise_agent:x"):
        answer = office.call("POST", "/registry/v1/enterprises", by=role, data=raw, content_type="application/json")
        assert answer.status_code in (400, 413, 422), answer.text
        assert answer.content_type == "application/problem+json"
    assert office.call("GET", "/registry/v1/events", by="auditor").json["pending"] == before
