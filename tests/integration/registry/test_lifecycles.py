"""The lifecycles of the domain notes D.1 and D.2 and of verified facts, generated: what their tables allow works for exactly the
roles that may, every other combination of state, action and role is refused and changes nothing.

The tables below are written from the notes, line by line; nothing of them comes from the product.
"""

from __future__ import annotations

import itertools
from collections import Counter
from typing import Any, NamedTuple

import pytest

from shared.auth.principal import Principal
from shared.auth.roles import Role
from shared.errors import KechuangError
from shared.records.access import visible
from shared.records.steps import ahead
from tests.integration.registry.conftest import Registry, caller, uscc

AGENT, REP, TOWN, BUREAU, APPROVER, FEED, PLAN, STAT = (
    "enterprise_agent", "enterprise_rep", "town_reviewer", "bureau_reviewer", "bureau_approver", "data_feed", "plan_officer", "stat_verifier",
)  # fmt: skip
ANYBODY = "enterprise_agent enterprise_rep talent town_reviewer bureau_reviewer bureau_approver treasury_officer stat_reporter " \
          "stat_verifier hr_officer plan_officer viewer data_feed"
INTO = uscc(4999)


class Line(NamedTuple):
    """From a state, by an action, to a state (the same: it stays), by these roles; `waits`: for a second person unless a feed acts."""

    state: str
    action: str
    to: str
    by: str
    waits: bool = False


def lines(text: str, *, feed: str = "") -> list[Line]:
    """`state action to: roles` a row; several states by commas; `+2` behind the roles where a second person confirms."""
    found = []
    for row in text.strip().splitlines():
        what, _, who = row.partition(":")
        states, action, to = what.split()
        roles = f"{who.replace('+2', '')} {feed}".strip()
        found += [Line(state, action, to if to != "=" else state, roles, "+2" in who) for state in states.split(",")]
    return found


# D.1. A feed of the market bureau takes what happens to a living enterprise, the bureau proposes that and a second person confirms.
ENTERPRISES = lines("""
    draft,returned submit submitted: enterprise_agent
    submitted recommend bureau_review: town_reviewer
    submitted return returned: town_reviewer
    bureau_review return returned: bureau_reviewer
    bureau_review approve active: bureau_reviewer
    bureau_review reject rejected: bureau_reviewer
    active list_abnormal abnormal_listed: data_feed
    abnormal_listed unlist_abnormal active: data_feed
    active,abnormal_listed move_out moved_out: bureau_reviewer data_feed +2
    active,abnormal_listed deregister deregistered: bureau_reviewer data_feed +2
    active,abnormal_listed revoke_licence licence_revoked: bureau_reviewer data_feed +2
    active,abnormal_listed merge merged: bureau_reviewer data_feed +2
    moved_out move_in active: bureau_reviewer data_feed +2
""")  # fmt: skip
# D.2. A feed may take any action at once (contract §2), and reports an accreditation from wherever the file stood.
PLATFORMS = lines("""
    draft submit submitted: enterprise_agent enterprise_rep
    submitted recommend town_recommended: town_reviewer
    submitted return draft: town_reviewer
    town_recommended accept formal_review: bureau_reviewer
    formal_review start_expert_review expert_review: bureau_reviewer
    expert_review propose proposed: bureau_reviewer
    proposed publish publicity: bureau_reviewer
    town_recommended,formal_review,expert_review,proposed return draft: bureau_reviewer
    formal_review resolve publicity: bureau_reviewer
    publicity accredit accredited: bureau_approver
    draft,submitted,town_recommended,formal_review,expert_review,proposed accredit accredited:
    accredited rectify rectifying: bureau_reviewer
    rectifying restore accredited: bureau_reviewer
    accredited,rectifying upgrade =: bureau_reviewer +2
    accredited,rectifying revoke revoked: bureau_reviewer
    accredited,rectifying expire expired: bureau_reviewer
    accredited,rectifying transfer =: bureau_reviewer
    draft,submitted,town_recommended,formal_review,expert_review,proposed,accredited,rectifying withdraw withdrawn: enterprise_agent enterprise_rep
""", feed=FEED) + lines(f"publicity object formal_review: {ANYBODY}")  # fmt: skip


# A claim is decided on by a reviewer of the enterprise's town, or the bureau; only who made it takes it back.
CLAIMS = lines("""
    open grant granted: town_reviewer bureau_reviewer
    open refuse refused: town_reviewer bureau_reviewer
    open withdraw withdrawn: enterprise_agent enterprise_rep
""")  # fmt: skip


def fact(verifier: str, *more: str) -> list[Line]:
    """One records, another verifies; revoked with a first day, and that can be taken back."""
    rows = [f"recorded verify verified: {verifier}", f"recorded,verified revoke revoked: {verifier}", f"revoked reinstate verified: {verifier}"]
    return lines("\n".join([*rows, *more]), feed=FEED)


TABLES: dict[str, list[Line]] = {
    "enterprises": ENTERPRISES, "platforms": PLATFORMS, "claims": CLAIMS,
    "patents": fact(BUREAU, f"verified lapse =: {BUREAU}", f"verified restore =: {BUREAU}", f"verified transfer =: {BUREAU}"),
    "statistics": fact(STAT), "evidence-items": fact(PLAN),
    **{kind: fact(BUREAU) for kind in (
        "hnte-certificates", "tech-sme-entries", "above-scale-spells", "rd-units", "tech-contracts", "industrial-internet-projects",
        "credit-lines", "agri-bases", "agri-varieties")},
}  # fmt: skip
STATES = {  # contract §2
    "enterprises": "draft submitted bureau_review returned active abnormal_listed rejected moved_out deregistered licence_revoked merged",
    "platforms": "draft submitted town_recommended formal_review expert_review proposed publicity accredited rectifying revoked expired withdrawn",
    "claims": "open granted refused withdrawn",
}  # fmt: skip
ACTIONS = {
    "claims": "grant refuse withdraw",
    "enterprises": "submit recommend return approve reject list_abnormal unlist_abnormal move_out move_in deregister revoke_licence merge",
    "platforms": "submit recommend accept start_expert_review propose publish object resolve accredit rectify restore upgrade revoke "
                 "expire withdraw transfer return",
    "patents": "verify revoke reinstate lapse restore transfer",
}  # fmt: skip


def states(kind: str) -> list[str]:
    return STATES.get(kind, "recorded verified revoked").split()


def actions(kind: str) -> list[str]:
    return ACTIONS.get(kind, "verify revoke reinstate").split()


def who(role: str, image: Any) -> Principal:
    """A stranger to the file; the enterprise's own people are its own, a claim's are who made it."""
    if "claim_key" in image:
        return caller(Role(role), actor=image["created_by"] if role in (AGENT, REP) else None)
    own = image["uscc"] if "uscc" in image else image.get("host_uscc")
    return caller(Role(role), enterprise=own if role in (AGENT, REP) else None)


def asked(action: str) -> dict[str, Any]:
    """What a step needs besides its name."""
    grant = {"level": "provincial", "granted_on": "2026-02-01", "doc_no": "粤科函1号"}
    more: dict[str, dict[str, Any]] = {
        "upgrade": {"accreditation": grant}, "accredit": {"accreditation": grant | {"level": "district"}},
        "merge": {"into": INTO}, "transfer": {"into": INTO}, "move_in": {"effective_on": "2026-03-02"},
        "restore": {"effective_on": "2026-03-02"},
    }  # fmt: skip
    return {"reason": "核实"} | more.get(action, {})


NOTICE = {"from": "2026-02-02", "until": "2026-02-09", "working_days": 5}
OBJECTION = {"at": "2026-02-04T09:00:00+08:00", "by": "neighbour", "state": "open"}
STANDS: dict[tuple[str, str, str], dict[str, Any]] = {  # what must have happened before a step is possible
    ("platforms", "publicity", "accredit"): {"publicity": NOTICE},
    ("platforms", "formal_review", "resolve"): {"publicity": NOTICE | {"left": 3}, "objections": [OBJECTION]},
}  # fmt: skip
NEVER_ACCREDITED = ("draft", "submitted", "town_recommended", "formal_review", "expert_review", "proposed", "publicity")


def file_in(registry: Registry, kind: str, state: str, action: str) -> Any:
    """A file in a state, with what the action needs to be possible."""
    if kind == "claims":
        return claim_in(registry, state)
    more = {"accreditations": []} if kind == "platforms" and state in NEVER_ACCREDITED else {}
    image = registry.put(kind, state, **more)
    if kind == "patents" and action == "restore":
        image = registry.take(kind, image, "lapse", caller(Role.DATA_FEED), reason="未缴年费", effective_on="2026-01-01")
    if stands := STANDS.get((kind, state, action)):
        registry.records.database[kind].update_one({"_id": image["id"]}, {"$set": stands})
    return registry.stored(kind, image["id"])


def claim_in(registry: Registry, state: str) -> Any:
    """A claim of somebody on an enterprise of the town."""
    firm = registry.put("enterprises", "active")
    made = registry.records.create(registry.records.kinds["claims"], {"uscc": firm["id"]}, caller(Role.ENTERPRISE_AGENT, actor="claimant"))[0]
    registry.records.database.claims.update_one({"_id": made["id"]}, {"$set": {"state": state}})
    return registry.stored("claims", made["id"])


@pytest.fixture(scope="module", autouse=True)
def receiver(registry: Registry) -> None:
    registry.put("enterprises", "active", uscc=INTO)


ALLOWED = [(kind, line) for kind, table in TABLES.items() for line in table]


@pytest.mark.parametrize(("kind", "line"), ALLOWED, ids=[f"{kind}-{line.state}-{line.action}" for kind, line in ALLOWED])
def test_a_line_works_for_each_role_that_it_names(registry: Registry, kind: str, line: Line) -> None:
    for role in line.by.split():
        image = file_in(registry, kind, line.state, line.action)
        after = registry.take(kind, image, line.action, who(role, image), **asked(line.action))
        if line.waits and role != FEED:
            assert (after["state"], after["proposed_change"]["transition"]["action"]) == (line.state, line.action)
            with pytest.raises(KechuangError, match="another person must decide"):
                registry.take(kind, after, "confirm_change", who(role, image))
            second = caller(Role(role), actor="a second person")
            after = registry.take(kind, after, "confirm_change", second)
        assert after["state"] == line.to
        assert after["hands"][-1]["action"] == line.action


@pytest.mark.parametrize("kind", TABLES)
def test_every_other_combination_of_state_action_and_role_is_refused(registry: Registry, kind: str) -> None:
    allowed = {(line.state, line.action, role) for line in TABLES[kind] for role in line.by.split()}
    refused: Counter[str] = Counter()
    for state in states(kind):
        image = file_in(registry, kind, state, "")
        for action, role in itertools.product(actions(kind), Role):
            if (state, action, role) in allowed:
                continue
            with pytest.raises(KechuangError) as why:
                registry.take(kind, image, action, who(role, image), **asked(action))
            assert why.value.status in (403, 404, 409), (state, action, role, why.value)
            refused[state] += 1
        assert registry.stored(kind, image["id"]) == image
    assert sum(refused.values()) + len(allowed) == len(states(kind)) * len(actions(kind)) * len(Role)


@pytest.mark.parametrize("kind", TABLES)
def test_the_states_and_actions_are_the_contract_s(registry: Registry, kind: str) -> None:
    workflow = registry.records.kinds[kind].workflow
    assert workflow.states == set(states(kind))
    assert set(workflow.actions) == set(actions(kind))


@pytest.mark.parametrize("kind", TABLES)
def test_what_the_service_offers_next_is_what_it_takes(registry: Registry, kind: str) -> None:
    offered = set()
    for state, role in itertools.product(states(kind), Role):
        image = file_in(registry, kind, state, "")
        person, of_kind = who(role, image), registry.records.kinds[kind]
        if visible(of_kind, image, person, registry.records.find):
            offered |= {(state, line["action"], str(role)) for line in ahead(of_kind, image, person)}
    assert offered == {(line.state, line.action, role) for line in TABLES[kind] for role in line.by.split()}
