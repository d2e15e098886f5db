"""免申即享: offered when a change makes eligible, revised and withdrawn with its reason when another changes that."""

from __future__ import annotations

import json
from datetime import datetime
from itertools import count
from typing import Any

import pytest

from services.incentives.following.main import Follower
from services.incentives.following.projection import Overtaken
from shared.clock import SHANGHAI
from shared.events.topics import REGISTRY
from shared.log.embedded import EmbeddedLog
from shared.log.interface import Entry
from tests.integration.incentives.conftest import District, condition, graduate, make_policy
from tests.system.made import certificate, citizen_id, enterprise, uscc

NUMBER = count(1000)
SERIAL = count(910_000)


def firm(district: District) -> str:
    n = next(NUMBER)
    district.make("/registry/v1/enterprises", enterprise(n))
    return uscc(n)


def certify(district: District, code: str, issued_on: str = "2026-05-01") -> Any:
    return district.make("/registry/v1/hnte-certificates", certificate(f"GR202644{next(SERIAL)}", code, issued_on))


@pytest.fixture(scope="module", autouse=True)
def policies(district: District) -> None:
    """One policy for enterprises, one for persons; signed, so in force."""
    district.policy(make_policy("hnte-grant", conditions=[
        condition("alive", "enterprise.alive", "==", "true"), condition("certificate", "enterprise.hnte", "==", "true"),
    ]))
    items = [
        {"code": code, "title": {"zh": code, "en": code}, "when": f"introduction.degree_level == '{code}'", "amount": amount}
        for code, amount in (("doctor", "5000000"), ("master", "2000000"), ("bachelor", "1000000"))
    ]
    district.policy(make_policy("settlement", beneficiary="person", items=items, conditions=[
        condition("first", "introduction.first", "==", "true"), condition("in-post", "introduction.in_post", "==", "true"),
        condition("employer", "enterprise.abnormal_listed", "==", "false"),
    ]))
    district.settle()


def test_a_certificate_brings_an_offer_with_amount_and_clause(district: District) -> None:
    code = firm(district)
    district.settle()
    assert district.offers(uscc=code) == []
    certify(district, code)
    district.settle()
    (offer,) = district.offers(uscc=code)
    assert (offer["state"], offer["amount_fen"], offer["clause"]) == ("offered", 100_000, "示范办法第一条")
    assert offer["decision"]["outcome"] == "eligible"
    assert offer["town_code"] == "441502100"
    agent = f"enterprise_agent:agent:{code}"
    assert [each["id"] for each in district.call("GET", "/incentives/v1/offers", by=agent).json["items"]] == [offer["id"]]
    assert district.call("GET", f"/incentives/v1/offers/{offer['id']}", by=f"enterprise_agent:other:{uscc(1)}").status_code == 404


def test_a_revoked_certificate_withdraws_the_offer_with_its_reason(district: District) -> None:
    code = firm(district)
    record = certify(district, code)
    district.settle()
    district.act(f"/registry/v1/hnte-certificates/{record['id']}", 1, "revoke", reason="取消资格", effective_on="2026-06-01")
    district.settle()
    (offer,) = district.offers(uscc=code)
    assert offer["state"] == "withdrawn"
    assert "条件certificate" in offer["ended_because"]
    certify(district, code, "2026-06-20")
    district.settle()
    assert sorted(each["state"] for each in district.offers(uscc=code)) == ["offered", "withdrawn"]


def test_an_enterprise_that_ends_loses_its_offer(district: District) -> None:
    code = firm(district)
    certify(district, code)
    district.settle()
    district.act(f"/registry/v1/enterprises/{code}", 1, "deregister", reason="注销", effective_on="2026-06-15")
    district.settle()
    assert [each["state"] for each in district.offers(uscc=code)] == ["withdrawn"]


def test_what_was_declined_is_not_offered_again(district: District) -> None:
    code = firm(district)
    certify(district, code)
    district.settle()
    (offer,) = district.offers(uscc=code)
    path = f"/incentives/v1/offers/{offer['id']}"
    district.act(path, 1, "decline", by=f"enterprise_agent:other:{uscc(2)}", expect=404)
    district.act(path, 1, "decline", by=f"enterprise_agent:agent:{code}")
    certify(district, code, "2026-06-25")
    district.settle()
    assert [each["state"] for each in district.offers(uscc=code)] == ["declined"]
    district.act(path, 2, "accept", by=f"enterprise_agent:agent:{code}", expect=409)


def test_accepting_fills_in_an_application_that_a_later_change_holds_back(district: District) -> None:
    code = firm(district)
    record = certify(district, code)
    district.settle()
    (offer,) = district.offers(uscc=code)
    agent, base = f"enterprise_agent:agent:{code}", "/incentives/v1/applications"
    accepted = district.act(f"/incentives/v1/offers/{offer['id']}", 1, "accept", by=agent)
    path = f"{base}/{accepted['application_id']}"
    application = district.call("GET", path, by=agent).json
    assert (application["state"], application["policy_code"], application["uscc"], application["item"]) == ("draft", "hnte-grant", code, "one")
    account = {"holder": "测试", "bank": "某银行", "number": "6222021234567890"}
    district.call("PATCH", path, {"account": account}, by=agent, version=1)
    submitted = district.act(path, 2, "submit", by=agent)
    assert (submitted["decision"]["amount_fen"], submitted["policy_version"]) == (100_000, 1)
    repeated = district.call("GET", f"{path}/decision", by="auditor").json
    assert (repeated["same"], repeated["replayed"]["amount_fen"]) == (True, 100_000)
    district.act(f"/registry/v1/hnte-certificates/{record['id']}", 1, "revoke", reason="取消资格", effective_on="2026-06-01")
    district.settle()
    (offer,) = district.offers(uscc=code)
    assert (offer["state"], "条件certificate" in offer["ended_because"]) == ("withdrawn", True)
    assert district.call("GET", path, by=agent).json["state"] == "suspended"


def test_who_applied_otherwise_is_not_offered_as_well(district: District) -> None:
    code = firm(district)
    certify(district, code)
    district.settle()
    body = {"policy_code": "hnte-grant", "uscc": code, "town_code": "441502100"}
    district.make("/incentives/v1/applications", body, by=f"enterprise_agent:agent:{code}")
    district.settle()
    (offer,) = district.offers(uscc=code)
    assert (offer["state"], "已另行申请" in offer["ended_because"]) == ("expired", True)


def test_a_graduate_is_offered_by_degree_and_a_correction_revises_it(district: District) -> None:
    code = firm(district)
    body = graduate(citizen_id(next(NUMBER) % 1000), code)
    record = district.make("/incentives/v1/introductions", body)
    district.settle()
    (offer,) = district.offers(person_key=record["person_key"])
    assert (offer["amount_fen"], offer["item"], offer["uscc"]) == (2_000_000, "master", code)
    path = f"/incentives/v1/introductions/{record['id']}"
    district.call("PATCH", path, {"degree_level": "doctor", "reason": "更正"}, version=1)
    district.settle()
    (offer,) = district.offers(person_key=record["person_key"])
    assert (offer["version"], offer["state"], offer["amount_fen"]) == (2, "offered", 5_000_000)
    district.act(path, 2, "depart", effective_on="2026-06-20")
    district.settle()
    (offer,) = district.offers(person_key=record["person_key"])
    assert (offer["state"], "条件in-post" in offer["ended_because"]) == ("withdrawn", True)


def test_a_person_of_two_employers_is_offered_once(district: District) -> None:
    number, codes = citizen_id(next(NUMBER) % 1000), (firm(district), firm(district))
    first, second = (
        district.make("/incentives/v1/introductions", graduate(number, code, day))
        for code, day in zip(codes, ("2026-04-01", "2026-05-06"), strict=True)
    )
    district.settle()
    (offer,) = district.offers(person_key=first["person_key"])
    assert offer["introduction_id"] == first["id"]
    district.act(f"/incentives/v1/introductions/{first['id']}", 1, "invalidate", reason="引进不实")
    district.settle()
    (offer,) = district.offers(person_key=first["person_key"])
    assert (offer["state"], offer["introduction_id"]) == ("offered", second["id"])


def test_what_happens_to_an_employer_reaches_its_people(district: District) -> None:
    code = firm(district)
    record = district.make("/incentives/v1/introductions", graduate(citizen_id(next(NUMBER) % 1000), code))
    district.settle()
    district.act(f"/registry/v1/enterprises/{code}", 1, "list_abnormal", reason="未年报")
    district.settle()
    (offer,) = district.offers(person_key=record["person_key"])
    assert (offer["state"], "条件employer" in offer["ended_because"]) == ("withdrawn", True)


def test_a_batch_that_was_read_changes_nothing_again(district: District) -> None:
    code = firm(district)
    certify(district, code)
    district.settle()
    before = district.records.database.registry_facts.count_documents({}), len(district.offers(uscc=code))
    late = Follower(district.records, district.log)
    entries = [entry for p in district.log.end_offsets(REGISTRY) for entry in district.log.read(REGISTRY, p, -1, 500)]
    with pytest.raises(Overtaken):
        late.projection.commit(entries, {})
    assert before == (district.records.database.registry_facts.count_documents({}), len(district.offers(uscc=code)))


def test_a_topic_that_was_lost_and_made_anew_is_read_from_its_first_entry(district: District) -> None:
    code = firm(district)
    district.settle()
    client, name = district.records.client, f"{district.environ['DB_PREFIX']}_log"
    lost = {p: end for p, end in district.log.end_offsets(REGISTRY).items() if end}
    client.drop_database(name)
    district.records.database.registry_facts.delete_many({})
    client[f"{district.environ['DB_PREFIX']}_registry"]["changes"].update_many({}, {"$set": {"published": False}})
    district.log = EmbeddedLog(client, name)
    for relay in district.relays:
        relay.log = district.log
    district.follower = Follower(district.records, district.log)
    district.settle()
    assert {p: end for p, end in district.log.end_offsets(REGISTRY).items() if end} == lost
    assert district.records.database.registry_facts.find_one({"_id": f"{code}|enterprises/{code}"}) is not None


def test_a_lower_version_that_comes_late_overwrites_nothing(district: District) -> None:
    code = firm(district)
    district.call("PATCH", f"/registry/v1/enterprises/{code}", {"in_hitech_zone": True}, version=1)
    district.settle()
    partition, first = next(
        (p, entry) for p in district.log.end_offsets(REGISTRY) for entry in district.log.read(REGISTRY, p, -1, 500)
        if entry.key == code and json.loads(entry.value)["sequence"] == 1
    )
    district.log.append(REGISTRY, [(code, first.value)])
    district.log.append(REGISTRY, [(code, b"{broken"), (code, b'{"subject": "enterprises/x", "partitionkey": "y", "sequence": 1, "data": {}}')])
    district.settle()
    facts = district.records.database.registry_facts.find_one({"_id": f"{code}|enterprises/{code}"})
    assert facts is not None
    assert (facts["version"], facts["data"]["in_hitech_zone"]) == (2, True)
    assert district.records.database.dead_letters.count_documents({"partition": partition, "key": code}) == 2


def test_two_followers_offer_once(district: District) -> None:
    code = firm(district)
    certify(district, code)
    for relay in district.relays:
        relay.drain()
    other = Follower(district.records, district.log)
    other.step()
    other.step()
    other.projection.mark([f"enterprise|{code}"])
    district.follower.seen = None
    district.settle()
    assert [each["state"] for each in district.offers(uscc=code)] == ["offered"]


def test_at_midnight_what_lapsed_is_withdrawn_without_an_event(district: District) -> None:
    code = firm(district)
    certify(district, code, "2023-07-05")
    district.settle()
    assert [each["state"] for each in district.offers(uscc=code)] == ["offered"]
    district.clock.set(datetime(2026, 7, 5, 0, 0, 1, tzinfo=SHANGHAI))
    district.settle()
    (offer,) = district.offers(uscc=code)
    assert (offer["state"], "条件certificate" in offer["ended_because"]) == ("withdrawn", True)


def test_no_offer_and_no_event_names_a_person(district: District) -> None:
    texts = [district.call("GET", "/incentives/v1/offers?limit=500", by="auditor").text]
    for topic in ("kechuang.registry.v1", "kechuang.incentives.v1"):
        texts += [entry.value.decode("utf-8", "replace") for p in district.log.end_offsets(topic) for entry in read(district, topic, p)]
    assert len(texts) > 10
    assert not [text for text in texts if "欧阳明珠" in text or "990000" in text]


def read(district: District, topic: str, partition: int) -> list[Entry]:
    return district.log.read(topic, partition, -1, 10_000)
