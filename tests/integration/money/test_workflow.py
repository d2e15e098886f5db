"""The whole table of D.4, generated: every line works for exactly the roles that may, every other combination is refused."""

from __future__ import annotations

import itertools
from collections import Counter
from typing import Any

import pytest

from services.incentives.applications.routes import step
from services.incentives.kinds.application import KIND, WORKFLOW
from shared.auth.principal import Principal
from shared.auth.roles import Role
from shared.errors import KechuangError
from shared.records.workflow import Request
from tests.integration.money.conftest import FIRM, HONGCAO, World

AMOUNT = 1_000_000
PAST = [{"action": action, "at": f"2026-02-02T09:0{n}:00+08:00", "actor": "old"}
        for n, action in enumerate(("submit", "publish", "release_payment", "order_clawback"))]
LINES = [(line, state) for line in WORKFLOW.steps for state in line.from_]
ACTIONS = sorted(set(WORKFLOW.actions) | {"resume", "approve", "release_payment"})


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
    made = world.application("table", state if state != "draft" else "submitted", history=past, **more)
    if state == "draft":
        made = world.application("table")
    return world.records.find("applications", made["id"])


def principal(role: Role, image: Any) -> Principal:
    """A stranger to the file, but for the applicant's own roles."""
    actor = image["created_by"] if role in (Role.ENTERPRISE_AGENT, Role.TALENT) else f"somebody-{role}"
    enterprise = FIRM if role in (Role.ENTERPRISE_AGENT, Role.ENTERPRISE_REP) else None
    return Principal(actor, frozenset({role}), HONGCAO if role == Role.TOWN_REVIEWER else None, enterprise)


def take(world: World, image: Any, action: str, role: Role) -> Any:
    asked = Request(action, reason="理由", amount_fen=AMOUNT // 4 if action == "record_recovery" else None, doc_no="文1")
    caller = principal(role, image)
    if action == "object":
        return step(world.records, image["id"], asked, caller)
    return world.records.transition(KIND, image["id"], asked, image["version"], caller)[0]


@pytest.mark.parametrize(("line", "state"), LINES, ids=[f"{state}-{line.action}" for line, state in LINES])
def test_a_line_works_for_each_role_that_it_names(world: World, line: Any, state: str) -> None:
    for role in sorted(line.by):
        image = file_in(world, state, line.action)
        after = take(world, image, line.action, role)
        assert after["version"] > image["version"]
        if line.proposes:
            assert after["proposed_change"]["transition"]["action"] == line.action
        elif line.to != "=" and line.action != "record_recovery":
            assert after["state"] == line.to


def test_every_other_combination_of_state_action_and_role_is_refused(world: World) -> None:
    allowed = {(state, line.action, role) for line, state in LINES for role in line.by}
    refused: Counter[str] = Counter()
    for state in sorted(WORKFLOW.states):
        image = file_in(world, state)
        for action, role in itertools.product(ACTIONS, Role):
            if (state, action, role) in allowed:
                continue
            with pytest.raises(KechuangError) as why:
                take(world, image, action, role)
            assert why.value.status in (403, 404, 409, 422), (state, action, role)
            refused[state] += 1
        assert world.records.find("applications", image["id"]) == image
    assert sum(refused.values()) + len(allowed) == len(WORKFLOW.states) * len(ACTIONS) * len(Role)


def test_the_states_and_actions_are_the_contracts() -> None:
    states = """draft submitted returned rejected accepted reviewed proposed publicity objection approved waiting payment_ordered paid
        payment_failed withdrawn suspended revoked clawback_ordered partially_recovered recovered written_off"""
    actions = """submit accept return reject review propose publish object resolve approve order_payment release_payment confirm_payment
        fail_payment withdraw suspend resume revoke order_clawback record_recovery write_off"""
    assert WORKFLOW.states == set(states.split())
    assert set(WORKFLOW.actions) == set(actions.split())
