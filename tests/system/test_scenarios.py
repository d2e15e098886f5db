"""Scenarios F2 to F6 of the domain notes with exactly their numbers, in one demo district that moves through 2026."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.system.made import DONGCHONG, HONGCAO, JIESHENG, citizen_id, introduction, uscc
from tests.system.stack import Stack, wait_until

WAN = 10_000 * 100  # 万元 in fen


@pytest.fixture(scope="module")
def district(stack: Any) -> Stack:
    running: Stack = stack(demo=True)
    return running


def value(district: Stack, name: str, **query: str) -> Any:
    return district.indicator(name, **query)["value"]


def reaches(district: Stack, name: str, wanted: Any, **query: str) -> None:
    wait_until(lambda: value(district, name, **query) == wanted, 20, f"{name} {query} = {wanted}, is {value(district, name, **query)}")


def cell(district: Stack, name: str, town: str, **query: str) -> tuple[Any, Any, Any]:
    found = district.indicator(name, by="town", **query)["breakdown"]
    one = next(item for item in found if item["key"] == town)
    return one["value"], one["numerator"], one["denominator"]


def listed(district: Stack, path: str, **query: str) -> list[dict[str, Any]]:
    items: list[dict[str, Any]] = []
    cursor: str | None = None
    while True:
        page = district.get(path, params={"limit": "500", **query, **({"cursor": cursor} if cursor else {})})
        items += page["items"]
        cursor = page["next"]
        if not cursor:
            return items


def append(district: Stack, topic: str, events: list[dict[str, Any]], folder: Path) -> None:
    file = folder / "events.ndjson"
    file.write_text("".join(json.dumps(event, ensure_ascii=False) + "\n" for event in events), encoding="utf-8")
    district.run("log", "append", topic, str(file))


def event(kind: str, singular: str, service: str, key: str, record: dict[str, Any], time: str, number: str) -> dict[str, Any]:
    return {
        "specversion": "1.0", "id": number, "source": f"/{service}", "type": f"cn.kechuang.{service}.{singular}.v1",
        "subject": f"{kind}/{record['id']}", "time": time, "datacontenttype": "application/json", "partitionkey": key,
        "sequence": record["version"], "action": "post", "actor": "test", "data": {"kind": kind, "recorded_at": time, **record},
    }


def test_f3_duplicate_delivery_and_reimport(district: Stack, tmp_path: Path) -> None:
    assert value(district, "graduates_introduced_cum") == 3120
    record = {
        "id": "e77", "version": 1, "state": "registered", "person_key": "p_" + "7" * 32, "employer_uscc": uscc(77),
        "town_code": HONGCAO, "degree_level": "bachelor", "hired_on": "2026-03-01", "intro_mode": "campus",
    }
    doubled = event("introductions", "introduction", "incentives", record["person_key"], record, "2026-06-30T00:01:00+08:00", "e-77")
    append(district, "kechuang.incentives.v1", [doubled] * 3, tmp_path)
    reaches(district, "graduates_introduced_cum", 3121)
    plans = Path(__file__).parents[2] / "plans" / "chengqu-2026" / "demo" / "introductions.ndjson"
    rows = [json.loads(line) for line in plans.read_text(encoding="utf-8").splitlines()]
    counted = [row for row in rows if "state" not in row]
    people = [row["person"]["id_number"] for row in counted]
    once = [row for row in counted if people.count(row["person"]["id_number"]) == 1]
    fresh = [introduction(citizen_id(n), "新人", uscc(78), HONGCAO, "2026-05-01") for n in (501, 502)]
    known = {**once[50], "employer_uscc": uscc(79), "hired_on": "2026-05-02"}
    body = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in [*once[:37], *fresh, known]).encode()
    flagged = len(listed(district, "/incentives/v1/introductions", duplicate_person="true"))
    token = district.token("data_feed")
    headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/x-ndjson"}
    job = district.http.post("/incentives/v1/introductions/import", content=body, headers=headers).json()["id"]
    follow: Callable[[], Any] = lambda: district.get(f"/incentives/v1/introductions/imports/{job}", token=token)  # noqa: E731
    done = wait_until(lambda: (found := follow())["state"] == "done" and found, 30, "import")
    assert {name: done[name] for name in ("rows", "created", "unchanged", "refused", "flagged")} == {
        "rows": 40, "created": 3, "unchanged": 37, "refused": 0, "flagged": 1,
    }
    reaches(district, "graduates_introduced_cum", 3123)
    assert (flagged, len(listed(district, "/incentives/v1/introductions", duplicate_person="true"))) == (61, 62)


def test_f4_versions_out_of_order(district: Stack, tmp_path: Path) -> None:
    host = listed(district, "/registry/v1/enterprises", state="active")[0]["id"]
    base = {"id": "P-F4", "name": "研发中心", "platform_kind": "enterprise_rd_center", "town_code": HONGCAO, "host_uscc": host}
    grant = {"level": "municipal", "granted_on": "2026-03-01", "doc_no": "测试"}
    versions = [
        base | {"version": 1, "state": "submitted", "accreditations": []},
        base | {"version": 2, "state": "accredited", "accreditations": [grant]},
        base | {"version": 3, "state": "revoked", "accreditations": [grant | {"ended_on": "2026-05-20"}]},
    ]
    times = ["2026-01-10T09:00:00+08:00", "2026-03-02T09:00:00+08:00", "2026-05-21T09:00:00+08:00"]
    made = [event("platforms", "platform", "registry", host, record, time, f"f4-{record['version']}")
            for record, time in zip(versions, times, strict=True)]
    for arrived in (made[0], made[2], made[1]):
        append(district, "kechuang.registry.v1", [arrived], tmp_path)
        district.settle()
        assert value(district, "new_muni_rd_platform_count", as_of="2026-06-30") == 9
    reaches(district, "new_muni_rd_platform_count", 10, as_of="2026-04-15")
    assert value(district, "new_muni_rd_platform_count", as_of="2026-05-20") == 9
    assert value(district, "new_muni_rd_platform_count") == 9


def test_f2_a_correction_lowers_an_amount(district: Stack) -> None:
    district.clock_set("2026-07-02T09:00:00+08:00")
    contract = next(c for c in listed(district, "/registry/v1/tech-contracts") if c["deal_amount_fen"] == 300 * WAN)
    path = f"/registry/v1/tech-contracts/{contract['id']}"
    district.patch(path, {"tech_amount_fen": 655 * WAN // 10, "reason": "变更登记"}, contract["version"])
    reaches(district, "tech_contract_amount", 837.9)
    read = district.indicator("tech_contract_amount")
    assert (read["numerator"], read["progress"]) == (8379 * WAN // 10, 0.5078)
    assert value(district, "tech_contract_deal_amount") == 1236
    assert value(district, "tech_contract_amount", as_of="2026-06-30") == 837.9
    assert value(district, "tech_contract_amount", as_of="2026-06-30", known_at="2026-06-30") == 1012.4


def test_f5_an_enterprise_moves_town(district: Stack) -> None:
    district.clock_set("2026-08-03T09:00:00+08:00")
    sellers = {c["seller_uscc"] for c in listed(district, "/registry/v1/tech-contracts") if c["tech_amount_fen"] == 48 * WAN}
    above = {s["uscc"] for s in listed(district, "/registry/v1/above-scale-spells") if not s.get("to_month")}
    units = {u["uscc"] for u in listed(district, "/registry/v1/rd-units")}
    certified = {c["uscc"] for c in listed(district, "/registry/v1/hnte-certificates") if c["valid_to"] > "2026-12-31"}
    firms = listed(district, "/registry/v1/enterprises", town_code=HONGCAO, state="active")
    firm = next(f for f in firms if f["id"] in sellers & above & units & certified)
    flow = cell(district, "tech_contract_amount", HONGCAO)
    body = {"town_code": DONGCHONG, "effective_on": "2026-07-15", "reason": "迁址"}
    district.patch(f"/registry/v1/enterprises/{firm['id']}", body, firm["version"])
    wait_until(lambda: cell(district, "hnte_count", DONGCHONG)[0] == 6, 20, "the move")
    cover = "ats_industry_rd_coverage"
    assert cell(district, cover, HONGCAO, as_of="2026-07-14") == (51.35, 19, 37)
    assert cell(district, cover, DONGCHONG, as_of="2026-07-14") == (35.71, 5, 14)
    assert cell(district, cover, HONGCAO, as_of="2026-07-15") == (50.0, 18, 36)
    assert cell(district, cover, DONGCHONG, as_of="2026-07-15") == (40.0, 6, 15)
    assert [cell(district, "hnte_count", HONGCAO, as_of=day)[0] for day in ("2026-07-14", "2026-07-15")] == [16, 15]
    for day in ("2026-07-14", "2026-07-15"):
        read = district.indicator(cover, as_of=day)
        assert (read["value"], read["numerator"], read["denominator"]) == (40.48, 34, 84)
        assert value(district, "hnte_count", as_of=day) == 38
    assert cell(district, "tech_contract_amount", HONGCAO) == flow
    assert cell(district, cover, HONGCAO, as_of="2026-07-20", known_at="2026-07-20")[0] == 51.35


def test_f6_zero_denominator(district: Stack) -> None:
    cover = "ats_hnte_rd_coverage"
    assert cell(district, cover, JIESHENG) == (None, 0, 0)
    states = {item["key"]: item["state"] for item in district.indicator(cover, by="town")["breakdown"]}
    assert states[JIESHENG] == "not_applicable"
    assert value(district, cover) == 84.62
    certified = {c["uscc"] for c in listed(district, "/registry/v1/hnte-certificates") if c["valid_to"] > "2026-12-31"}
    firms = listed(district, "/registry/v1/enterprises", town_code=JIESHENG, state="active")
    firm = next(f["id"] for f in firms if f["id"] in {c["uscc"] for c in listed(district, "/registry/v1/hnte-certificates")})
    assert certified
    district.post("/registry/v1/above-scale-spells", {"uscc": firm, "from_month": "2026-07", "list_no": "测试"})
    district.post("/registry/v1/rd-units", {"uscc": firm, "name": "研发部", "valid_from": "2026-07-01"})
    wait_until(lambda: cell(district, cover, JIESHENG) == (100.0, 1, 1), 20, f"捷胜 is {cell(district, cover, JIESHENG)}")
    read = district.indicator(cover)
    assert (read["value"], read["numerator"], read["denominator"]) == (85.19, 23, 27)


def test_f2_a_contract_is_cancelled(district: Stack) -> None:
    district.clock_set("2026-09-10T09:00:00+08:00")
    contract = next(c for c in listed(district, "/registry/v1/tech-contracts") if c["tech_amount_fen"] == 200 * WAN)
    path = f"/registry/v1/tech-contracts/{contract['id']}"
    district.transition(path, contract["version"], "revoke", reason="注销登记", effective_on="2026-09-10")
    reaches(district, "tech_contract_amount", 637.9)
    assert district.indicator("tech_contract_amount")["progress"] == 0.3866
    assert value(district, "tech_contract_deal_amount") == 1036
    assert value(district, "tech_contract_amount", as_of="2026-06-30", known_at="2026-06-30") == 1012.4
