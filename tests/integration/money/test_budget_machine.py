"""Random work of several hands at once on one budget: total = free + reserved + approved + paid at every moment.

`make budget MINUTES=10` works for so long; without it (`BUDGET_MINUTES`) a short while.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test

from shared.errors import KechuangError
from shared.records.workflow import Request
from tests.integration.money.conftest import FIRM, World

UNIT, TOTAL = 100, 1_000
HANDS = 4
MINUTES = float(os.environ.get("BUDGET_MINUTES", "0"))
POSTED = [{"action": "publish", "at": "2026-02-02T09:00:00+08:00", "actor": "old"}]
ACTIONS = ("approve", "withdraw", "suspend", "resume", "revoke", "order_payment", "release_payment", "confirm_payment", "fail_payment",
           "order_clawback", "record_recovery")
BY = {
    "approve": "bureau_approver:chief", "suspend": "bureau_approver:chief", "resume": "bureau_approver:chief", "revoke": "bureau_approver:chief",
    "withdraw": f"enterprise_agent:agent:{FIRM}", "order_payment": "treasury_officer:orders", "release_payment": "treasury_officer:releases",
    "confirm_payment": "treasury_officer:bank", "fail_payment": "treasury_officer:bank", "order_clawback": "bureau_approver:recovers",
    "record_recovery": "treasury_officer:books",
}  # fmt: skip
PARTS = ("free_fen", "reserved_fen", "approved_fen", "paid_fen")
HELD = {"reserved": "reserved_fen", "approved": "approved_fen", "paid": "paid_fen"}


@contextmanager
def tolerated(*statuses: int) -> Iterator[None]:
    """A refusal that an honest race may end in; any other is an error."""
    try:
        yield
    except KechuangError as refused:
        if refused.status not in statuses:
            raise


class Watch:
    """Reads the budget all the time and keeps the first reading that does not add up."""

    def __init__(self, world: World) -> None:
        self.world, self.wrong, self.readings = world, None, 0
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run)

    def _run(self) -> None:
        budgets = self.world.records.database.budgets
        while not self._stop.wait(0.001) and self.wrong is None:
            for found in budgets.find({"_id": {"$regex": "^b-machine"}}):
                self.readings += 1
                if sum(found[part] for part in PARTS) != found["total_fen"] or min(found[part] for part in PARTS) < 0:
                    self.wrong = found

    def __enter__(self) -> Watch:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()


def machine_of(world: World, number: Iterator[int]) -> type[RuleBasedStateMachine]:
    """The machine over one world; every run has a policy and a budget of its own."""
    principals = {action: world.principal(by) for action, by in BY.items()}
    kind = world.records.kinds["applications"]

    class BudgetMachine(RuleBasedStateMachine):
        def __init__(self) -> None:
            super().__init__()
            self.code, self.files = f"machine-{next(number)}", []  # type: ignore[var-annotated]

        @initialize()
        def begin(self) -> None:
            world.policy(self.code, TOTAL)

        @rule(units=st.lists(st.integers(1, 4), min_size=1, max_size=4))
        def arrive(self, units: list[int]) -> None:
            made = [world.application(self.code, "publicity", amount_fen=UNIT * many, history=POSTED) for many in units]
            self.files += [each["id"] for each in made]

        @rule(orders=st.lists(st.tuples(st.integers(0, 30), st.sampled_from(ACTIONS)), min_size=1, max_size=10))
        def act_at_once(self, orders: list[tuple[int, str]]) -> None:
            if self.files:
                with ThreadPoolExecutor(HANDS) as hands:
                    list(hands.map(lambda order: self.take(self.files[order[0] % len(self.files)], order[1]), orders))

        @rule(more=st.integers(-3, 5))
        def change_the_total(self, more: int) -> None:
            found = world.records.find("budgets", f"b-{self.code}")
            total = max(found["total_fen"] + more * UNIT, 0)
            budgets, feed = world.records.kinds["budgets"], world.principal("data_feed")
            with tolerated(412, 422):
                world.records.amend(budgets, found["id"], {"total_fen": total}, found["version"], feed)

        def take(self, record: str, action: str) -> None:
            image = world.records.find("applications", record)
            asked = Request(action, reason="理由", doc_no=f"R-{record}", amount_fen=UNIT if action == "record_recovery" else None)
            who = principals[action]
            with tolerated(403, 404, 409, 412, 422, 503):
                world.records.transition(kind, record, asked, image["version"], who)

        @invariant()
        def the_budget_is_the_sum_of_its_files(self) -> None:
            budget = world.records.find("budgets", f"b-{self.code}")
            if budget is None:
                return
            files = list(world.records.database.applications.find({"policy_code": self.code}))
            for held, part in HELD.items():
                assert budget[part] == sum(each["held_fen"] for each in files if each.get("held") == held + "_fen"), part
            waiting = sorted((each["waiting_no"], each["amount_fen"]) for each in files if each["state"] == "waiting")
            assert budget["waiting"] == len(waiting)

    return BudgetMachine


def test_the_identity_holds_at_every_moment(world: World) -> None:
    end = time.monotonic() + MINUTES * 60
    number = iter(range(1, 1_000_000))
    quiet = settings(max_examples=8, stateful_step_count=8, deadline=None, suppress_health_check=list(HealthCheck), print_blob=False)
    with Watch(world) as watch:
        while True:
            run_state_machine_as_test(lambda: machine_of(world, number)(), settings=quiet)
            if time.monotonic() >= end or watch.wrong:
                break
    assert watch.wrong is None
    assert watch.readings > 0
    print(f"{next(number) - 1} runs, {watch.readings} readings")

