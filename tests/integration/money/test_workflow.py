"""The whole table of D.4 over HTTP, generated: every line works for exactly the roles that may, everything else is refused.

A refusal has the right problem, changes nothing, and is in the access log.
"""

from __future__ import annotations

import itertools
from collections import Counter
from typing import Any

import pytest

from services.incentives.kinds.application import WORKFLOW
from shared.auth.roles import Role
from tests.integration.money.conftest import APPLICATIONS, FIRM, HONGCAO, World

AMOUNT = 1_000_000
PAST = [{"action": action, "at": f"2026-02-02T09:0{n}:00+08:00", "actor": "old"}
        for n, action in enumerate(("submit", "publish", "release_payment", "order_clawback"))]
LINES = [(line, state) for line in WORKFLOW.steps for state in line.from_]
ACTIONS = sorted(WORKFLOW.actions)
APPLICANTS = ("enterprise_agent", "enterprise_rep", "talent")
# D.4 as the domain notes and the contract tell it: states, action, roles. Written by hand, beside the service's own table.
OPEN = "submitted accepted reviewed proposed publicity objection approved waiting payment_failed payment_ordered"
D4 = """
draft returned | submit | enterprise_agent talent
submitted | accept | town_reviewer
submitted | return reject | town_reviewer
accepted | review return reject | bureau_reviewer
reviewed | propose | bureau_reviewer
proposed | publish | bureau_approver
publicity objection | object | *
objection | resolve reject | bureau_reviewer
publicity | approve | bureau_approver
approved payment_failed | order_payment | treasury_officer
payment_ordered | release_payment confirm_payment fail_payment | treasury_officer
draft returned suspended OPEN | withdraw | enterprise_agent talent
OPEN | suspend | bureau_approver
suspended | resume | bureau_approver
suspended OPEN | revoke | bureau_approver
paid | order_clawback | bureau_approver
clawback_ordered partially_recovered | record_recovery write_off | treasury_officer
"""
PEOPLE = set(Role) - {Role.SYSADMIN, Role.METRICS, Role.DATA_FEED}


def allowed() -> set[tuple[str, str, str]]:
    """(state, action, role) that D.4 allows."""
    found = set()
    for text in D4.strip().replace("OPEN", OPEN).splitlines():
        states, actions, roles = (part.split() for part in text.split("|"))
        found |= set(itertools.product(states, actions, PEOPLE if roles == ["*"] else roles))
    return {(state, action, str(role)) for state, action, role in found}


ALLOWED = allowed()


@pytest.fixture(scope="module", autouse=True)
def table(world: World) -> None:
    world.policy("table", 1_000 * AMOUNT)


def file_in(world: World, state: str, action: str = "") -> Any:
    """A file in a state, with what the action needs to be possible."""
    past = [hand for hand in PAST if action not in ("fail_payment", "release_payment") or hand["action"] != "release_payment"]
    if action == "object":
        past = [hand | {"at": "2026-03-02T09:00:00+08:00"} for hand in past]
    if action in ("withdraw", "suspend", "revoke"):
        past = PAST[:2]
    more = {"ordered_fen": AMOUNT, "recovered_fen": AMOUNT // 2} if state in ("partially_recovered", "clawback_ordered") else {}
    made = world.application("table") if state == "draft" else world.application("table", state, history=past, **more)
    return world.records.find("applications", made["id"])


def caller(role: str) -> str:
    """A stranger to the file, but for the applicant's own roles."""
    if role in APPLICANTS:
        return f"{role}:agent:{FIRM}"
    return f"{role}:somebody-{role}:{HONGCAO}" if role == "town_reviewer" else f"{role}:somebody-{role}"


def take(world: World, bearers: dict[str, dict[str, str]], image: Any, action: str, role: str) -> Any:
    body = {"action": action, "reason": "理由", "doc_no": "文1"} | ({"amount_fen": AMOUNT // 4} if action == "record_recovery" else {})
    headers = bearers.setdefault(role, world.bearer(caller(role)))
    return world.call("POST", f"{APPLICATIONS}/{image['id']}/transitions", body, by="", version=image["version"], headers=headers)


@pytest.mark.parametrize(("line", "state"), LINES, ids=[f"{state}-{line.action}" for line, state in LINES])
def test_a_line_works_for_each_role_that_it_names(world: World, line: Any, state: str) -> None:
    for role in sorted(line.by):
        image = file_in(world, state, line.action)
        answer = take(world, {}, image, line.action, role)
        assert answer.status_code == 200, answer.text
        after = world.records.find("applications", image["id"])
        assert after is not None
        assert after["version"] > image["version"]
        if line.proposes:
            assert after["proposed_change"]["transition"]["action"] == line.action
        elif line.to != "=" and line.action != "record_recovery":
            assert after["state"] == line.to


def expected(state: str, action: str, role: str) -> tuple[int, str]:
    """The problem of a combination that is not allowed: 404 for whom the file is not there, 409 where D.4 has no such step."""
    if role == Role.SYSADMIN:
        return 403, "forbidden"
    possible = any((state, action, str(other)) in ALLOWED for other in Role)
    if role == Role.VIEWER:
        return 404, "not_found"
    return (403, "forbidden") if possible else (409, "rule_broken")


def test_every_other_combination_of_state_action_and_role_is_refused(world: World) -> None:
    log, bearers, refused = world.records.database.access_log, {}, Counter()  # type: ignore[var-annotated]
    for state in sorted(WORKFLOW.states):
        image = file_in(world, state)
        for action, role in itertools.product(ACTIONS, map(str, Role)):
            if (state, action, role) in ALLOWED:
                continue
            answer = take(world, bearers, image, action, role)
            told = answer.json
            assert (answer.status_code, told["code"]) == expected(state, action, role), (state, action, role, told)
            refused[image["id"], told["code"]] += 1
        assert world.records.find("applications", image["id"]) == image
    world.clients["incentives"].application.extensions["access_log"].flush()
    for (record, code), number in refused.items():
        assert log.count_documents({"event": "refusal", "record_id": record, "code": code, "method": "POST"}) == number
    assert sum(refused.values()) + len(ALLOWED) == len(WORKFLOW.states) * len(ACTIONS) * len(Role)


def test_the_service_s_table_is_that_of_the_domain_notes() -> None:
    assert {(state, line.action, str(role)) for line, state in LINES for role in line.by} == ALLOWED


def test_the_states_and_actions_are_the_contracts() -> None:
    states = """draft submitted returned rejected accepted reviewed proposed publicity objection approved waiting payment_ordered paid
        payment_failed withdrawn suspended revoked clawback_ordered partially_recovered recovered written_off"""
    actions = """submit accept return reject review propose publish object resolve approve order_payment release_payment confirm_payment
        fail_payment withdraw suspend resume revoke order_clawback record_recovery write_off"""
    assert WORKFLOW.states == set(states.split())
    assert set(WORKFLOW.actions) == set(actions.split())
