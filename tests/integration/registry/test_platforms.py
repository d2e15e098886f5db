"""Platforms: public notice in working days, objections that stop the clock, 文号 by two persons, upgrade, revocation by level, transfer."""

from __future__ import annotations

from typing import Any

import pytest

from tests.integration.registry.conftest import BASE, HONGCAO, NUMBERS, Registry, uscc

PLATFORMS = f"{BASE}/platforms"
HANDS = {
    "submit": "enterprise_agent:host", "recommend": f"town_reviewer:town:{HONGCAO}", "accept": "bureau_reviewer:clerk",
    "start_expert_review": "bureau_reviewer:clerk", "propose": "bureau_reviewer:clerk", "publish": "bureau_reviewer:clerk",
    "object": "viewer:neighbour", "resolve": "bureau_reviewer:fresh", "accredit": "bureau_approver:chief", "return": "bureau_reviewer:clerk",
    "rectify": "bureau_reviewer:clerk", "restore": "bureau_reviewer:clerk", "upgrade": "bureau_reviewer:clerk",
    "revoke": "bureau_reviewer:clerk", "transfer": "bureau_reviewer:clerk", "withdraw": "enterprise_agent:host",
}  # fmt: skip
TO_NOTICE = ("submit", "recommend", "accept", "start_expert_review", "propose", "publish")
DISTRICT = {"level": "district", "granted_on": "2026-03-10", "doc_no": "城科〔2026〕3号"}
MUNICIPAL = {"level": "municipal", "granted_on": "2026-03-10", "doc_no": "汕科〔2026〕3号"}


def draft(registry: Registry) -> Any:
    body = {"name": "公示平台", "platform_kind": "pilot_base", "town_code": HONGCAO, "host_uscc": uscc(next(NUMBERS))}
    return registry.make(PLATFORMS, body, by=HANDS["submit"])


def go(registry: Registry, record: Any, *actions: str, by: str | None = None, expect: int = 200, **more: Any) -> Any:
    for action in actions:
        record = registry.act(f"{PLATFORMS}/{record['id']}", record["version"], action, by=by or HANDS[action], expect=expect,
                              **({"reason": "理由"} | more))  # fmt: skip
    return record


def on(registry: Registry, record: Any, day: str) -> tuple[Any, list[str], bool]:
    seen = registry.call("GET", f"{PLATFORMS}/{record['id']}", query_string={"as_of": day}, by="auditor").json
    return seen["state"], seen["levels"], seen["in_effect"]


def notices(registry: Registry) -> dict[str, Any]:
    answer = registry.call("GET", f"{BASE}/publicity", by="")
    assert answer.status_code == 200
    return {item["id"]: item for item in answer.json["items"]}


def test_a_notice_stands_for_working_days_and_nothing_is_accredited_before_it_is_over(registry: Registry) -> None:
    record = go(registry, draft(registry), *TO_NOTICE)  # Monday 2 March
    assert record["publicity"] == {"from": "2026-03-02", "until": "2026-03-09", "working_days": 5}
    assert (notices(registry)[record["id"]]["until"], "contact" in str(notices(registry))) == ("2026-03-09", False)
    assert record["working_days_left"] == 5
    registry.at("2026-03-07")  # a Saturday: Monday is left
    assert registry.call("GET", f"{PLATFORMS}/{record['id']}", by=HANDS["submit"]).json["working_days_left"] == 1
    registry.at("2026-03-09T23:59:00+08:00")
    problem = go(registry, record, "accredit", expect=409, accreditation=DISTRICT)
    assert problem["errors"][0]["code"] == "notice_stands"
    registry.at("2026-03-10T00:00:00+08:00")
    assert record["id"] not in notices(registry)
    assert go(registry, record, "object", expect=409)["errors"][0]["code"] == "notice_over"
    done = go(registry, record, "accredit", accreditation=DISTRICT)
    assert (done["state"], done["accreditations"]) == ("accredited", [DISTRICT])
    assert on(registry, done, "2026-03-10") == ("accredited", ["district"], True)


def test_an_objection_stops_the_clock_and_a_fresh_hand_sets_it_going_again(registry: Registry) -> None:
    registry.at("2026-03-16")
    record = go(registry, draft(registry), *TO_NOTICE)
    assert record["publicity"]["until"] == "2026-03-23"
    registry.at("2026-03-18")
    path = f"{BASE}/publicity/{record['id']}/objections"
    assert registry.call("POST", path, {"reason": "人员不实"}, by="").status_code == 401
    assert registry.call("POST", path, {}, by="viewer:neighbour").status_code == 422
    answer = registry.call("POST", path, {"reason": "人员不实"}, by="viewer:neighbour")
    assert (answer.status_code, answer.json["state"]) == (201, "formal_review")
    assert registry.call("POST", path, {"reason": "再来"}, by="viewer:neighbour").status_code == 404
    record = registry.call("GET", f"{PLATFORMS}/{record['id']}", by="auditor").json
    assert record["publicity"]["left"] == record["working_days_left"] == 3  # 19, 20, 23 March
    registry.at("2026-04-03")  # the days go by, the clock stands
    go(registry, record, "accredit", expect=403, accreditation=DISTRICT)
    go(registry, record, "resolve", by=HANDS["publish"], expect=403)
    record = go(registry, record, "resolve")
    assert record["publicity"] == {"from": "2026-03-16", "until": "2026-04-09", "working_days": 5}  # 7, 8, 9: 4 to 6 April are off
    assert [objection["state"] for objection in record["objections"]] == ["dismissed"]
    registry.at("2026-04-10")
    assert go(registry, record, "accredit", accreditation=DISTRICT)["state"] == "accredited"


def test_an_objection_that_holds_sends_the_file_back_or_through_its_review_anew(registry: Registry) -> None:
    record = go(registry, draft(registry), *TO_NOTICE, "object", "start_expert_review", "propose", "publish", working_days=10)
    assert [objection["state"] for objection in record["objections"]] == ["upheld"]
    assert (record["publicity"]["working_days"], "left" in record["publicity"]) == (10, False)  # a whole new notice
    record = go(registry, record, "object", "return")
    assert (record["state"], [objection["state"] for objection in record["objections"]]) == ("draft", ["upheld", "upheld"])
    go(registry, go(registry, record, *TO_NOTICE[:-1]), "publish", expect=422, working_days=4)


def test_a_panel_of_experts_is_whole_before_a_platform_is_proposed(registry: Registry) -> None:
    record = go(registry, draft(registry), *TO_NOTICE[:4])
    path, clerk = f"{PLATFORMS}/{record['id']}", HANDS["propose"]

    def heard(expert: Any, verdict: Any = "for", by: str = clerk) -> Any:
        return registry.call("POST", f"{path}/opinions", {"expert": expert, "verdict": verdict}, by=by)

    for wrong in (("张三", "for"), ("13800000000", "for"), ("E-1", "maybe"), (None, None)):
        assert heard(*wrong).status_code == 422
    assert heard("E-1", by="viewer:neighbour").status_code == 403
    assert [heard(f"E-{n}").status_code for n in (1, 2, 2)] == [201, 201, 409]
    assert heard("E-3", "recused").status_code == 201
    record = registry.call("GET", path, by="auditor").json
    assert go(registry, record, "propose", expect=409)["errors"][0]["code"] == "panel_not_whole"
    assert heard("E-4", "against").status_code == 201
    record = go(registry, registry.call("GET", path, by="auditor").json, "propose")
    assert heard("E-5").status_code == 409
    record = go(registry, record, "publish", "object", "start_expert_review")
    assert "opinions" not in record
    assert go(registry, record, "propose")["state"] == "proposed"


def test_a_document_of_a_higher_authority_is_recorded_by_one_and_verified_by_another(registry: Registry) -> None:
    record = go(registry, draft(registry), *TO_NOTICE)
    registry.at("2026-05-12")
    proposed = go(registry, record, "accredit", accreditation=MUNICIPAL)
    assert (proposed["state"], proposed.get("accreditations"), bool(proposed["proposed_change"])) == ("publicity", None, True)
    for by in (HANDS["accredit"], HANDS["publish"], HANDS["submit"]):  # who recorded it, who worked on the file
        registry.act(f"{PLATFORMS}/{record['id']}", proposed["version"], "confirm_change", by=by, expect=403)
    done = registry.act(f"{PLATFORMS}/{record['id']}", proposed["version"], "confirm_change", by="bureau_reviewer:verifier")
    assert (done["state"], done["accreditations"]) == ("accredited", [MUNICIPAL])


def test_what_a_reviewer_recorded_with_the_proposal_the_approver_verifies(registry: Registry) -> None:
    record = go(registry, draft(registry), *TO_NOTICE[:-2])
    record = go(registry, record, "propose", accreditation=MUNICIPAL)
    record = go(registry, record, "publish")
    assert (record.get("accreditations"), record["proposed_accreditation"]) == (None, MUNICIPAL)
    registry.at("2026-06-01")
    done = go(registry, record, "accredit")
    assert (done["state"], done["accreditations"], done.get("proposed_accreditation")) == ("accredited", [MUNICIPAL], None)


def test_a_whole_life_reads_right_on_any_day(registry: Registry) -> None:
    record = registry.put("platforms", "accredited", accreditations=[MUNICIPAL | {"granted_on": "2024-01-10"}])
    record = go(registry, record, "rectify", effective_on="2024-06-01")
    record = go(registry, record, "restore", effective_on="2024-09-01")
    raised = {"level": "provincial", "granted_on": "2025-01-15", "doc_no": "粤科函1号", "supersedes": True}
    waiting = go(registry, record, "upgrade", by="bureau_reviewer:second", accreditation=raised)
    assert waiting["accreditations"] == record["accreditations"]
    record = registry.act(f"{PLATFORMS}/{record['id']}", waiting["version"], "confirm_change", by="bureau_reviewer:third")
    assert [grant.get("ended_on") for grant in record["accreditations"]] == ["2025-01-15", None]
    record = go(registry, record, "transfer", by="bureau_reviewer:second", into=uscc(4400), effective_on="2025-03-01")
    record = go(registry, record, "revoke", by="bureau_reviewer:third", level="provincial", effective_on="2025-10-01")
    told = {day: on(registry, record, day) for day in (
        "2024-01-09", "2024-01-10", "2024-06-01", "2024-09-01", "2025-01-14", "2025-01-15", "2025-09-30", "2025-10-01")}  # fmt: skip
    assert told == {
        "2024-01-09": (None, [], False), "2024-01-10": ("accredited", ["municipal"], True), "2024-06-01": ("rectifying", ["municipal"], True),
        "2024-09-01": ("accredited", ["municipal"], True), "2025-01-14": ("accredited", ["municipal"], True),
        "2025-01-15": ("accredited", ["provincial"], True), "2025-09-30": ("accredited", ["provincial"], True),
        "2025-10-01": ("revoked", [], False),  # the municipal title does not come back
    }
    path = f"{PLATFORMS}/{record['id']}"
    hosts = [registry.call("GET", path, query_string={"as_of": day}).json["host_uscc"] for day in ("2025-02-28", "2025-03-01")]
    assert hosts[1] == uscc(4400) != hosts[0]


@pytest.mark.parametrize("lost", ["municipal", "provincial"])
def test_losing_one_of_two_levels_leaves_the_other(registry: Registry, lost: str) -> None:
    both = [MUNICIPAL | {"granted_on": "2024-01-10"}, MUNICIPAL | {"level": "provincial", "granted_on": "2025-01-10"}]
    record = go(registry, registry.put("platforms", "accredited", accreditations=both), "revoke", level=lost, effective_on="2025-06-01")
    kept = ({"municipal", "provincial"} - {lost}).pop()
    assert on(registry, record, "2025-06-01") == ("accredited", [kept], True)
    assert go(registry, record, "revoke", expect=422, by="bureau_reviewer:x", level="national")["errors"][0]["pointer"] == "/level"


def test_what_the_approver_names_is_what_is_granted_not_what_the_host_said_of_itself(registry: Registry) -> None:
    claimed = MUNICIPAL | {"level": "national", "granted_on": "2020-01-10"}
    over = {"publicity": {"from": "2026-01-05", "until": "2026-01-12", "working_days": 5}}
    record = registry.put("platforms", "publicity", accreditations=[claimed])
    registry.records.database.platforms.update_one({"_id": record["id"]}, {"$set": over})
    assert go(registry, record, "accredit", accreditation=DISTRICT)["accreditations"] == [DISTRICT]


def test_what_was_never_accredited_never_counted_though_it_says_so(registry: Registry) -> None:
    body = {"name": "自称平台", "platform_kind": "pilot_base", "town_code": HONGCAO, "accreditations": [MUNICIPAL | {"granted_on": "2024-01-10"}]}
    record = registry.make(PLATFORMS, body, by=HANDS["submit"])
    record = go(registry, record, "withdraw")
    assert (record["state"], record["accreditations"][0]["ended_on"]) == ("withdrawn", "2024-01-10")
    assert on(registry, record, "2025-01-01")[1:] == ([], False)
