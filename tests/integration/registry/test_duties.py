"""Segregation of duties of the domain notes D.5 over the registry's files: S1, S2, S5, S7, S10, S12. The tables are written from the notes."""

from __future__ import annotations

import itertools
from typing import Any

import pytest

from shared.auth.roles import Role
from shared.errors import Forbidden, KechuangError
from tests.integration.registry.conftest import BASE, HONGCAO, Registry, caller
from tests.integration.registry.test_lifecycles import STANDS, asked, file_in
from tests.system.made import DONGCHONG

# S1: submitter ≠ any reviewer; S2: first reviewer ≠ second reviewer ≠ approver. By kind: the way of a file, and for each step of
# it the earlier steps whose hands must be other ones.
WAYS = {
    "enterprises": ("post", "submit", "recommend"),
    "platforms": ("post", "submit", "recommend", "accept", "start_expert_review", "propose", "publish"),
    "statistics": ("post",), "hnte-certificates": ("post",), "evidence-items": ("post",),
}  # fmt: skip
HANDED_IN, AT_TOWN = {"post", "submit"}, {"post", "submit", "recommend"}
APART: dict[tuple[str, str, str], tuple[Role, set[str]]] = {
    ("enterprises", "submitted", "recommend"): (Role.TOWN_REVIEWER, HANDED_IN),
    ("enterprises", "submitted", "return"): (Role.TOWN_REVIEWER, HANDED_IN),
    ("enterprises", "bureau_review", "return"): (Role.BUREAU_REVIEWER, AT_TOWN),
    ("enterprises", "bureau_review", "approve"): (Role.BUREAU_REVIEWER, AT_TOWN),
    ("enterprises", "bureau_review", "reject"): (Role.BUREAU_REVIEWER, AT_TOWN),
    ("platforms", "submitted", "recommend"): (Role.TOWN_REVIEWER, HANDED_IN),
    ("platforms", "submitted", "return"): (Role.TOWN_REVIEWER, HANDED_IN),
    ("platforms", "town_recommended", "accept"): (Role.BUREAU_REVIEWER, AT_TOWN),
    ("platforms", "formal_review", "start_expert_review"): (Role.BUREAU_REVIEWER, AT_TOWN),
    ("platforms", "expert_review", "propose"): (Role.BUREAU_REVIEWER, AT_TOWN),
    ("platforms", "expert_review", "return"): (Role.BUREAU_REVIEWER, AT_TOWN),
    ("platforms", "proposed", "publish"): (Role.BUREAU_REVIEWER, AT_TOWN),
    ("platforms", "formal_review", "resolve"): (Role.BUREAU_REVIEWER, set(WAYS["platforms"])),  # nobody of the earlier chain (D.4)
    ("platforms", "publicity", "accredit"): (Role.BUREAU_APPROVER, set(WAYS["platforms"])),
    ("statistics", "recorded", "verify"): (Role.STAT_VERIFIER, {"post"}),  # S7
    ("hnte-certificates", "recorded", "verify"): (Role.BUREAU_REVIEWER, {"post"}),
    ("evidence-items", "recorded", "verify"): (Role.PLAN_OFFICER, {"post"}),
}  # fmt: skip
REVIEWED = [(kind, state, action) for kind, state, action in APART if kind in ("enterprises", "platforms")]
UNDER_REVIEW = [("enterprises", "submitted"), ("enterprises", "bureau_review"), ("platforms", "submitted"), ("platforms", "town_recommended"),
                ("platforms", "formal_review"), ("platforms", "expert_review"), ("platforms", "proposed"), ("platforms", "publicity")]  # fmt: skip


def file_of(registry: Registry, kind: str, state: str, action: str) -> Any:
    """A file whose every earlier step was taken by somebody else: `h-submit` submitted it, and so on."""
    more = {"accreditations": []} if kind == "platforms" else {}
    image = registry.put(kind, state, tuple((step, f"h-{step}") for step in WAYS[kind]), **more)
    if stands := STANDS.get((kind, state, action)):
        registry.records.database[kind].update_one({"_id": image["id"]}, {"$set": stands})
    return registry.stored(kind, image["id"])


@pytest.mark.parametrize(("kind", "state", "action"), APART, ids=list(map("-".join, APART)))
def test_a_step_is_taken_by_another_hand_than_the_steps_before_it(registry: Registry, kind: str, state: str, action: str) -> None:
    role, apart = APART[kind, state, action]
    for earlier in WAYS[kind]:
        image = file_of(registry, kind, state, action)
        hand = caller(role, actor=f"h-{earlier}")
        if earlier in apart:
            with pytest.raises(Forbidden) as why:
                registry.take(kind, image, action, hand, **asked(action))
            assert [fault.code for fault in why.value.faults] == ["same_hand"]
            assert registry.stored(kind, image["id"]) == image
        else:
            assert registry.take(kind, image, action, hand, **asked(action))["version"] == image["version"] + 1


@pytest.mark.parametrize(("kind", "state", "action"), REVIEWED, ids=list(map("-".join, REVIEWED)))
def test_a_second_role_makes_no_second_person(registry: Registry, kind: str, state: str, action: str) -> None:
    role, apart = APART[kind, state, action]
    image = file_of(registry, kind, state, action)
    everything = caller(*(set(Role) - {Role.SYSADMIN, Role.DATA_FEED}), actor=f"h-{sorted(apart)[0]}")
    with pytest.raises(KechuangError):
        registry.take(kind, image, action, everything, **asked(action))
    assert registry.stored(kind, image["id"]) == image
    assert role in everything.roles


def test_whoever_returned_a_file_may_look_at_it_again(registry: Registry) -> None:
    image = registry.put("enterprises", "submitted", (("post", "a"), ("submit", "a"), ("return", "t"), ("submit", "a")))
    assert registry.take("enterprises", image, "recommend", caller(Role.TOWN_REVIEWER, actor="t"))["state"] == "bureau_review"


@pytest.mark.parametrize(("kind", "state", "action"), REVIEWED, ids=list(map("-".join, REVIEWED)))
def test_who_has_an_interest_recuses(registry: Registry, kind: str, state: str, action: str) -> None:
    role, _ = APART[kind, state, action]
    image = file_of(registry, kind, state, action)
    firm = image.get("host_uscc") or image["id"]
    with pytest.raises(Forbidden) as why:  # S5: the own employer's file
        registry.take(kind, image, action, caller(role, actor="somebody", enterprise=firm), **asked(action))
    assert [fault.code for fault in why.value.faults] == ["interest_own_enterprise"]
    by = f"{role}:kin:{HONGCAO if role == Role.TOWN_REVIEWER else ''}"
    path = f"{BASE}/{kind}/{image['id']}"
    assert registry.call("POST", f"{path}/interests", {"interest": "love"}, by=by).status_code == 422
    declared = registry.call("POST", f"{path}/interests", {"interest": "kin"}, by=by)
    assert (declared.status_code, declared.json["interests"][0]["interest"]) == (201, "kin")
    refused = registry.act(path, image["version"] + 1, action, by=by, expect=403, **asked(action))
    assert refused["errors"][0]["code"] == "interest_declared"
    other = caller(role, actor="somebody else")
    after = registry.take(kind, registry.stored(kind, image["id"]), action, other, **asked(action))
    assert after["version"] == image["version"] + 2


@pytest.mark.parametrize(("kind", "state"), UNDER_REVIEW, ids=list(map("-".join, UNDER_REVIEW)))
def test_nobody_corrects_a_file_under_review(registry: Registry, kind: str, state: str) -> None:
    image = file_in(registry, kind, state, "")
    own = image.get("host_uscc") or image["id"]
    for role in sorted(set(Role) - {Role.DATA_FEED}):  # S12; its own people neither
        person = caller(role, enterprise=own if role in (Role.ENTERPRISE_AGENT, Role.ENTERPRISE_REP) else None)
        with pytest.raises(KechuangError) as why:
            registry.records.amend(registry.records.kinds[kind], image["id"], {"name": "改名"}, image["version"], person)
        assert why.value.status in (403, 404)
    assert registry.stored(kind, image["id"]) == image


def test_a_town_s_reviewer_knows_nothing_of_another_town(registry: Registry) -> None:
    theirs = f"town_reviewer:t:{DONGCHONG}"
    records = registry.records
    firm = registry.put("enterprises", "submitted")
    made = {"enterprises": firm}
    for kind in ("hnte-certificates", "tech-sme-entries", "above-scale-spells", "rd-units", "industrial-internet-projects", "credit-lines"):
        made[kind] = registry.put(kind, "recorded", uscc=firm["id"])
    made["tech-contracts"] = registry.put("tech-contracts", "recorded", seller_uscc=firm["id"])
    made["patents"] = registry.put("patents", "recorded", first_patentee_uscc=firm["id"])
    made |= {"platforms": registry.put("platforms", "submitted", host_uscc=firm["id"]), "agri-bases": registry.put("agri-bases", "recorded"),
             "agri-varieties": registry.put("agri-varieties", "recorded")}
    made["claims"] = records.create(records.kinds["claims"], {"uscc": firm["id"]}, caller(Role.ENTERPRISE_AGENT, actor="claimant"))[0]
    for kind, image in made.items():
        path = f"{BASE}/{kind}/{image['id']}"
        for suffix in ("", "/history", "/transitions", "/changes", "?as_of=2026-01-01"):
            assert registry.call("GET", path + suffix, by=theirs).status_code == 404, (kind, suffix)
            assert registry.call("GET", path + suffix, by=f"town_reviewer:t:{HONGCAO}").status_code == 200, (kind, suffix)
        for town, count in ((DONGCHONG, 0), (HONGCAO, 1)):
            items = registry.call("GET", f"{BASE}/{kind}?id={image['id']}", by=f"town_reviewer:t:{town}").json["items"]
            assert len(items) == count, kind
        answer = registry.call("POST", f"{path}/transitions", {"action": "return", "reason": "x"}, by=theirs, version=1)
        assert answer.status_code == 404


def test_the_steps_of_a_file_say_who_took_them_and_in_which_role(registry: Registry) -> None:
    image = registry.put("enterprises", "submitted")
    person = caller(Role.TOWN_REVIEWER, actor="t")
    after = registry.take("enterprises", image, "return", person, reason="缺住所证明")
    changes = list(registry.records.database.changes.find({"record_id": image["id"]}).sort("version", 1))
    last = changes[-1]
    assert (last["actor"], last["role"], last["action"], last["reason"], last["version"]) == ("t", "town_reviewer", "return", "缺住所证明", 2)
    assert (last["prev_hash"], last["hash"]) == (changes[0]["hash"], after["head"])  # S11
    assert last["record_hash"] != changes[0]["record_hash"]


@pytest.mark.parametrize(("proposer", "decider"), list(itertools.product(("x", "y"), repeat=2)))
def test_who_confirms_is_not_who_proposed(registry: Registry, proposer: str, decider: str) -> None:
    image = registry.put("enterprises", "active")
    asked_for = registry.take("enterprises", image, "deregister", caller(Role.BUREAU_REVIEWER, actor=proposer), effective_on="2026-02-01")
    if proposer == decider:
        with pytest.raises(Forbidden):
            registry.take("enterprises", asked_for, "confirm_change", caller(Role.BUREAU_REVIEWER, actor=decider))
        return
    ended = registry.take("enterprises", asked_for, "confirm_change", caller(Role.BUREAU_REVIEWER, actor=decider))
    assert [hand["actor"] for hand in ended["hands"][-2:]] == [proposer, decider]
