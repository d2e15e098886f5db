"""Ending a qualification: what rests on it, and an event that says alone whom it concerns and from which day."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from shared.events.envelope import events_of
from tests.integration.records.conftest import Office
from tests.system.made import HONGCAO, certificate, enterprise, uscc

NUMBER = iter(range(7300, 7900))
Made = tuple[str, str, int]  # path, enterprise, version


def event(office: Office, path: str) -> dict[str, Any]:
    """The newest event of a record, as the relay sends it under the record's first key."""
    changes = office.clients["registry"].application.extensions["records"].database.changes
    return events_of(changes.find_one({"record_id": path.rsplit("/", 1)[1]}, sort=[("version", -1)]), "registry")[0]


def made(office: Office, kind: str, body: dict[str, Any]) -> Made:
    record = office.make(f"/registry/v1/{kind}", body)
    return f"/registry/v1/{kind}/{record['id']}", next(iter(body[name] for name in ("uscc", "host_uscc") if name in body)), 1


def certificate_revoked(office: Office, n: int) -> tuple[str, str]:
    path, firm, version = made(office, "hnte-certificates", certificate(f"GR202444{930000 + n}", uscc(n), "2024-12-01"))
    office.act(path, version, "revoke", reason="取消资格", effective_on="2025-01-01")
    return path, firm


def entry_revoked(office: Office, n: int) -> tuple[str, str]:
    body = {"entry_no": f"2025441502{n:08d}", "uscc": uscc(n), "eval_year": 2025, "announced_on": "2025-01-01"}
    path, firm, version = made(office, "tech-sme-entries", body)
    office.act(path, version, "revoke", reason="撤销编号")  # takes effect on announced_on unless told otherwise
    return path, firm


def spell_ended(office: Office, n: int) -> tuple[str, str]:
    path, firm, version = made(office, "above-scale-spells", {"uscc": uscc(n), "from_month": "2024-01"})
    assert office.call("PATCH", path, {"to_month": "2025-01", "reason": "退库"}, version=version).status_code == 200
    return path, firm


def accreditation_revoked(office: Office, n: int) -> tuple[str, str]:
    body = {"name": f"平台{n}", "platform_kind": "engineering_research_center", "town_code": HONGCAO, "host_uscc": uscc(n),
            "accreditations": [{"level": "provincial", "granted_on": "2023-01-01"}]}
    path, firm, version = made(office, "platforms", body)
    office.act(path, version, "revoke", reason="评估不合格", effective_on="2025-01-01", level="provincial")
    return path, firm


def enterprise_ended(office: Office, n: int) -> tuple[str, str]:
    path, firm, version = made(office, "enterprises", enterprise(n))
    office.act(path, version, "deregister", effective_on="2025-01-01")
    return path, firm


@pytest.mark.parametrize(("ending", "action"), [
    (certificate_revoked, "revoke"), (entry_revoked, "revoke"), (spell_ended, "amend"), (accreditation_revoked, "revoke"),
    (enterprise_ended, "deregister"),
])
def test_the_event_alone_says_which_enterprise_and_from_which_day(
    office: Office, ending: Callable[[Office, int], tuple[str, str]], action: str
) -> None:
    path, firm = ending(office, next(NUMBER))
    told = event(office, path)
    assert (told["partitionkey"], told["data"]["ends_on"], told["action"]) == (firm, "2025-01-01", action)
    assert told["subject"] == path.removeprefix("/registry/v1/")


def test_a_reinstated_certificate_ends_with_its_period_again(office: Office) -> None:
    path, _ = certificate_revoked(office, next(NUMBER))
    back = office.act(path, 2, "reinstate", reason="申诉成立", effective_on="2025-01-01")
    assert (back["ends_on"], event(office, path)["data"]["ends_on"]) == ("2027-12-01", "2027-12-01")


def test_one_of_two_levels_revoked_ends_that_level_and_not_the_platform(office: Office) -> None:
    n = next(NUMBER)
    body = {"name": f"平台{n}", "platform_kind": "key_laboratory", "town_code": HONGCAO, "host_uscc": uscc(n), "accreditations": [
        {"level": "municipal", "granted_on": "2022-01-01"}, {"level": "provincial", "granted_on": "2023-01-01"}]}
    path, _, _ = made(office, "platforms", body)
    office.act(path, 1, "revoke", reason="评估不合格", effective_on="2025-01-01", level="provincial")
    data = event(office, path)["data"]
    assert [grant.get("ended_on") for grant in data["accreditations"]] == [None, "2025-01-01"]
    assert "ends_on" not in data


def test_units_on_a_platform_and_all_of_an_enterprise_are_named(office: Office) -> None:
    n = next(NUMBER)
    office.make("/registry/v1/enterprises", enterprise(n))
    platform = office.make("/registry/v1/platforms", {
        "name": f"平台{n}", "platform_kind": "enterprise_rd_center", "town_code": HONGCAO, "host_uscc": uscc(n),
        "accreditations": [{"level": "municipal", "granted_on": "2023-01-01"}]})
    unit = office.make("/registry/v1/rd-units", {"uscc": uscc(n), "name": "研发部", "valid_from": "2024-01-01", "platform_id": platform["id"]})
    old, new = (office.make("/registry/v1/hnte-certificates", certificate(f"GR202{y}44{940000 + n}", uscc(n), f"202{y}-12-01")) for y in (3, 5))
    of_platform = office.call("GET", f"/registry/v1/platforms/{platform['id']}/consequences", by="bureau_reviewer").json
    assert [(item["kind"], item["id"], item["counts"]) for item in of_platform["items"]] == [("rd-units", unit["id"], True)]
    of_old = office.call("GET", f"/registry/v1/hnte-certificates/{old['id']}/consequences", by="bureau_reviewer").json
    assert [item["id"] for item in of_old["stand_ins"]] == [new["id"]]
    of_firm = office.call("GET", f"/registry/v1/enterprises/{uscc(n)}/consequences", by="bureau_reviewer").json
    assert {item["id"] for item in of_firm["items"]} == {platform["id"], unit["id"], old["id"], new["id"]}
    assert office.call("GET", f"/registry/v1/enterprises/{uscc(n)}/consequences", by="enterprise_agent:stranger").status_code == 404
