"""What was its status on a day: changes with their first day, leaving and coming back, merging; for every kind of record."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.registry.kinds import KINDS
from shared.records import spells
from tests.integration.registry.conftest import BASE, HONGCAO, NUMBERS, Registry, uscc
from tests.system.made import DONGCHONG, certificate

FIRMS = f"{BASE}/enterprises"
OWN = "enterprise_agent:own"


def patch(registry: Registry, path: str, version: int, body: Any, by: str = "data_feed") -> Any:
    answer = registry.call("PATCH", path, body, by=by, version=version)
    assert answer.status_code == 200, answer.text
    return answer.json


def on(registry: Registry, path: str, day: str) -> Any:
    answer = registry.call("GET", path, query_string={"as_of": day}, by="auditor")
    assert answer.status_code == 200, answer.text
    return answer.json


def firm(registry: Registry, **more: Any) -> tuple[str, Any]:
    record = registry.make(FIRMS, registry.body("enterprises", **more))
    return f"{FIRMS}/{record['id']}", record


CHANGES = [("town_code", DONGCHONG, "towns"), ("name", "汕尾市新名称有限公司", "names"), ("industry_code", "1361", "industries"),
           ("cluster_codes", ["marine"], "clusters"), ("in_hitech_zone", True, "in_hitech_zone_spells")]  # fmt: skip


@pytest.mark.parametrize(("field", "value", "kept"), CHANGES, ids=[field for field, _, _ in CHANGES])
@pytest.mark.parametrize("by", ["data_feed", "agent"])
def test_a_change_has_its_first_day(registry: Registry, field: str, value: Any, kept: str, by: str) -> None:
    path, record = firm(registry, cluster_codes=["food"], in_hitech_zone=False)
    before, body = record[field], {field: value, "effective_on": "2026-02-10", "reason": "变更登记"}
    if by == "data_feed":
        after = patch(registry, path, 1, body)
    else:  # its own people propose, a reviewer confirms
        proposed = patch(registry, path, 1, body, by=f"{OWN}:{record['id']}")
        assert (proposed[field], proposed["proposed_change"]["patch"]) == (before, {field: value})
        after = registry.act(path, 2, "confirm_change", by="bureau_reviewer:b")
    assert [spell["value"] for spell in after[kept]] == [before, value]
    assert (after[kept][0]["to"], after[kept][1]["from"]) == ("2026-02-10", "2026-02-10")
    assert (on(registry, path, "2026-02-09")[field], on(registry, path, "2026-02-10")[field]) == (before, value)
    assert on(registry, path, "2015-05-31")[field] is None


def test_a_former_name_stays_known(registry: Registry) -> None:
    path, record = firm(registry)
    second = patch(registry, path, 1, {"name": "二号名称", "effective_on": "2026-01-10"})
    third = patch(registry, path, 2, {"name": "三号名称", "effective_on": "2026-02-10"})
    assert (second["former_names"], third["former_names"]) == ([record["name"]], [record["name"], "二号名称"])
    assert on(registry, path, "2026-01-20")["name"] == "二号名称"
    corrected = patch(registry, path, 3, {"name": "四号名称", "reason": "录入有误"})
    assert [spell["value"] for spell in corrected["names"]] == ["四号名称"]


def test_above_scale_status_has_its_months(registry: Registry) -> None:
    _, record = firm(registry)
    spell = registry.make(f"{BASE}/above-scale-spells", {"uscc": record["id"], "from_month": "2025-01"})
    path = f"{BASE}/above-scale-spells/{spell['id']}"
    patch(registry, path, 1, {"to_month": "2026-01", "reason": "退库"})
    assert [on(registry, path, day)["in_effect"] for day in ("2024-12-31", "2025-01-01", "2025-12-31", "2026-01-01")] == [False, True, True, False]


def test_a_firm_moves_out_and_comes_back_under_the_same_code(registry: Registry) -> None:
    path, record = firm(registry)
    registry.act(path, 1, "move_out", effective_on="2025-03-01", reason="迁出")
    refused = registry.call("POST", FIRMS, {"uscc": record["id"], "name": record["name"]}, by="enterprise_agent:ann")
    assert (refused.status_code, refused.json["hint"]["state"]) == (409, "moved_out")
    proposed = registry.act(path, 2, "move_in", by="bureau_reviewer:a", effective_on="2025-09-01")
    assert proposed["state"] == "moved_out"
    back = registry.act(path, 3, "confirm_change", by="bureau_reviewer:b")
    assert (back["state"], back["id"]) == ("active", record["id"])
    assert [(spell["from"], spell["to"]) for spell in back["alive"]] == [("2015-06-01", "2025-03-01"), ("2025-09-01", None)]
    told = {day: (on(registry, path, day)["state"], on(registry, path, day)["in_effect"]) for day in (
        "2015-05-31", "2015-06-01", "2025-02-28", "2025-03-01", "2025-08-31", "2025-09-01")}  # fmt: skip
    assert told == {
        "2015-05-31": (None, False), "2015-06-01": ("active", True), "2025-02-28": ("active", True), "2025-03-01": ("moved_out", False),
        "2025-08-31": ("moved_out", False), "2025-09-01": ("active", True),
    }
    moved = patch(registry, path, 4, {"town_code": DONGCHONG, "effective_on": "2025-09-01"})
    assert [spell["value"] for spell in moved["towns"]] == [HONGCAO, DONGCHONG]


def test_a_merged_firm_goes_on_in_the_other_and_its_qualifications_are_told(registry: Registry) -> None:
    (path, record), (other, into) = firm(registry), firm(registry)
    number = 960000 + next(NUMBERS)
    held = registry.make(f"{BASE}/hnte-certificates", certificate(f"GR202444{number}", record["id"], "2024-12-01"))
    registry.act(path, 1, "merge", by="bureau_reviewer:a", expect=422, into=record["id"])
    registry.act(path, 1, "merge", by="bureau_reviewer:a", into=into["id"], effective_on="2026-02-01", reason="吸收合并")
    merged = registry.act(path, 2, "confirm_change", by="bureau_reviewer:b")
    assert (merged["state"], merged["merged_into"]) == ("merged", into["id"])
    assert (on(registry, path, "2026-01-31")["in_effect"], on(registry, path, "2026-02-01")["in_effect"]) == (True, False)
    changes = registry.records.database.changes.find_one({"record_id": record["id"], "action": "merge"})
    assert changes["keys"] == [record["id"], into["id"]]
    resting = registry.call("GET", f"{path}/consequences", by="auditor").json["items"]
    assert [(item["kind"], item["id"]) for item in resting] == [("hnte-certificates", held["id"])]
    refused = registry.act(other, 1, "merge", by="bureau_reviewer:a", expect=422, into=record["id"])
    assert refused["errors"][0]["code"] == "not_counting"


# kind: its first day, and the first one on which it no longer counts
FACTS = {
    "hnte-certificates": ("2024-12-01", "2027-12-01"), "tech-sme-entries": ("2026-03-01", "2027-01-01"), "above-scale-spells": ("2025-01-01", None),
    "rd-units": ("2025-01-01", None), "tech-contracts": ("2026-02-01", None), "patents": ("2024-01-01", None),
    "industrial-internet-projects": ("2025-01-01", None), "credit-lines": ("2025-01-01", "2026-01-01"), "agri-bases": ("2025-01-01", None),
    "agri-varieties": ("2025-01-01", None), "statistics": ("2025-10-01", None), "evidence-items": ("2025-01-01", None),
}  # fmt: skip
HANDS = {"statistics": ("stat_reporter", "stat_verifier"), "evidence-items": ("plan_officer", "plan_officer")}


def before(day: str) -> str:
    return (date.fromisoformat(day) - timedelta(days=1)).isoformat()


def test_every_kind_of_fact_is_here() -> None:
    assert {kind.name for kind in KINDS} - {"enterprises", "platforms", "claims"} == FACTS.keys()


@pytest.mark.parametrize("kind", FACTS)
def test_a_fact_s_status_on_a_day_is_what_we_know_of_that_day_now(registry: Registry, kind: str) -> None:
    first, end = FACTS[kind]
    poster, verifier = HANDS.get(kind, ("bureau_reviewer", "bureau_reviewer"))
    record = registry.make(f"{BASE}/{kind}", registry.body(kind), by=f"{poster}:first")
    path = f"{BASE}/{kind}/{record['id']}"

    def told(*days: str) -> list[tuple[str | None, bool]]:
        return [(seen["state"], seen["in_effect"]) for seen in (on(registry, path, day) for day in days)]

    assert told(before(first), first) == [(None, False), ("recorded", False)]
    registry.act(path, 1, "verify", by=f"{verifier}:second")
    assert told(before(first), first) == [(None, False), ("verified", True)]  # verified today, true since its first day
    if end:
        assert told(before(end), end) == [("verified", True), ("verified", False)]
    middle = max(first, "2025-07-01")
    if kind == "tech-sme-entries":
        middle = "2026-05-01"
    registry.act(path, 2, "revoke", by=f"{verifier}:second", reason="有误", effective_on=middle)
    expected = [("verified", True), ("revoked", False)] if middle > first else [(None, False), ("revoked", False)]
    assert told(before(middle), middle) == expected
    registry.act(path, 3, "reinstate", by=f"{verifier}:third", reason="更正", effective_on="2026-06-01")
    assert told("2026-05-31")[0] == ("revoked", False)
    assert told("2026-06-01")[0] == ("verified", end is None or end > "2026-06-01")


def test_a_patent_that_lapsed_was_not_in_effect_meanwhile(registry: Registry) -> None:
    record = registry.make(f"{BASE}/patents", registry.body("patents"))
    path = f"{BASE}/patents/{record['id']}"
    registry.act(path, 1, "lapse", effective_on="2025-01-01", reason="未缴年费")
    registry.act(path, 2, "restore", effective_on="2025-06-01", reason="恢复")
    registry.act(path, 3, "transfer", effective_on="2025-09-01", into=uscc(4321))
    assert [on(registry, path, day)["in_effect"] for day in ("2024-12-31", "2025-01-01", "2025-05-31", "2025-06-01")] == [True, False, False, True]
    assert [on(registry, path, day)["first_patentee_uscc"] for day in ("2025-08-31", "2025-09-01")] == [record["first_patentee_uscc"], uscc(4321)]


DAYS = st.dates(min_value=date(2020, 1, 1), max_value=date(2020, 3, 1))


def test_a_firm_that_an_office_brings_along_lived_until_it_ended(registry: Registry) -> None:
    past = (("post", "old"), ("deregister", "old"))
    record = registry.put("enterprises", "deregistered", past)  # the last step: 2026-01-05
    path = f"{FIRMS}/{record['id']}"
    assert [on(registry, path, day)["state"] for day in ("2015-05-31", "2015-06-01", "2026-01-04", "2026-01-05")] == [
        None, "active", "active", "deregistered"]  # fmt: skip
    drafted = registry.make(FIRMS, {"uscc": uscc(next(NUMBERS)), "name": "新", "established_on": "2016-01-01"}, by="enterprise_agent:ann")
    assert on(registry, f"{FIRMS}/{drafted['id']}", "2020-01-01")["state"] is None


@given(st.lists(st.tuples(DAYS, st.sampled_from("abcd")), max_size=8), DAYS)
@settings(max_examples=300, deadline=None)
def test_spells_say_of_any_day_what_the_latest_change_said_of_it(changes: list[Any], day: Any) -> None:
    known = spells.opened("start", "2019-01-01")
    said = {}  # day by day: whoever speaks later speaks of all days from his on
    for first, value in changes:
        known = spells.changed(known, value, first.isoformat())
        said = {other: old for other, old in said.items() if other < first} | {first: value}
    expected = next((said[first] for first in sorted(said, reverse=True) if first <= day), "start")
    assert spells.value_on(known, day.isoformat()) == expected
    assert [spell["to"] for spell in known[:-1]] == [spell["from"] for spell in known[1:]]
    assert known[-1]["to"] is None
