"""Money of a budget: total = free + reserved + approved + paid, at every moment; `paid_fen` is net of what came back.

A move is one conditional update of the budget's document, in the transaction of the step that causes it: two of them
at once cannot both take the last fen. Whoever finds nothing free gets a number on the waiting list, which is served in
order and before anybody new.
"""

from __future__ import annotations

from collections.abc import Callable

from services.incentives.applications.progress import enter, note
from services.incentives.applications.terms import policy_of
from shared.errors import RuleBroken
from shared.records.workflow import Context, Image

FREE, RESERVED, APPROVED, PAID = "free_fen", "reserved_fen", "approved_fen", "paid_fen"
PARTS = (FREE, RESERVED, APPROVED, PAID)
BUDGETS, APPLICATIONS = "budgets", "applications"
SERVED_AT_ONCE = 100  # promotions in one transaction; what is left waits for the next duty round


class BudgetMissing(RuleBroken):
    """No verified budget pays this policy in this year."""

    code = "budget_missing"


def budget_of(application: Image, context: Context) -> Image:
    """The budget that pays an application: the one it names, its policy's, or one that names the policy.

    Raises BudgetMissing.
    """
    named = application.get("budget_id") or policy_of(application, context).get("budget_id")
    budget = context.find(BUDGETS, str(named)) if named else _of_policy(application, context)
    if budget is None or budget["state"] != "verified":
        raise BudgetMissing("没有可用的预算 no verified budget pays this policy")
    application["budget_id"] = budget["id"]
    return budget


def _of_policy(application: Image, context: Context) -> Image | None:
    """A budget that names the policy, for the year or for all years."""
    named = context.work.matching(BUDGETS, {"policy_code": application["policy_code"], "state": "verified"})
    found = [budget for budget in named if budget.get("year") in (application.get("year"), None)]
    return min(found, key=lambda budget: budget.get("year") is None, default=None)


def shift(budget: Image, source: str, target: str, amount_fen: int) -> None:
    """Move money inside a budget's image. Raises RuleBroken when the source has not so much."""
    if budget[source] < amount_fen:
        raise RuleBroken(f"预算{source}不足 the budget's {source} is short by {amount_fen - budget[source]} fen")
    budget[source] -= amount_fen
    budget[target] += amount_fen


def reserve(application: Image, amount_fen: int, context: Context) -> bool:
    """Set money aside while the award is on public notice; False when none is free or others wait for it."""
    return _claim(application, RESERVED, amount_fen, context)


def commit(application: Image, amount_fen: int, context: Context) -> int | None:
    """Bind money to an approved award. None when bound, else the award's number on the waiting list."""
    if application.get("held") == RESERVED and application["held_fen"] == amount_fen:
        _move(application, RESERVED, APPROVED, amount_fen, "approve", context)
        application["held"] = APPROVED
        return None
    release(application, context)
    if _claim(application, APPROVED, amount_fen, context):
        return None
    return queue(application, context)


def queue(application: Image, context: Context) -> int:
    """A number at the end of the budget's waiting list."""

    def put(budget: Image) -> None:
        budget["waiting"] += 1
        budget["last_ticket"] += 1

    after = context.work.change(BUDGETS, budget_of(application, context)["id"], put, "queue", reason=_named(application))
    return int(after["last_ticket"])


def bring(application: Image, part: str, amount_fen: int, context: Context) -> None:
    """What a file that comes with its past holds already. Raises RuleBroken when the budget has not so much."""
    budget_of(application, context)
    _move(application, FREE, part, amount_fen, "bring", context)
    application.update(held=part, held_fen=amount_fen)


def pay(application: Image, context: Context) -> None:
    """The bank has paid what was bound."""
    _move(application, APPROVED, PAID, application["held_fen"], "pay", context)
    application["held"] = PAID


def take_back(application: Image, amount_fen: int, context: Context) -> None:
    """Recovered money is free again, and serves who waits."""
    _move(application, PAID, FREE, amount_fen, "recover", context)
    application["held_fen"] -= amount_fen
    serve(str(application["budget_id"]), context)


def release(application: Image, context: Context) -> None:
    """Give back what an application holds, or its place on the waiting list."""
    held = application.get("held")
    if held in (RESERVED, APPROVED):
        _move(application, held, FREE, application["held_fen"], "release", context)
        application.pop("held")
        application.pop("held_fen")
        serve(str(application["budget_id"]), context)
    elif application.pop("waiting_no", None) is not None:
        context.work.change(BUDGETS, str(application["budget_id"]), _one_less, "leave_queue")


def serve(budget_id: str, context: Context) -> int:
    """Bind free money to those who wait, in their order; how many. The first who cannot be served stops the rest."""
    budget = context.find(BUDGETS, budget_id)
    if budget is None or not budget["waiting"] or not budget[FREE]:
        return 0
    queue = context.work.matching(
        APPLICATIONS, {"state": "waiting", "budget_id": budget_id}, by="waiting_no", limit=SERVED_AT_ONCE
    )
    free, served = budget[FREE], []
    for application in queue:
        if application["amount_fen"] > free:
            break
        free -= application["amount_fen"]
        served.append(application)
    if not served:
        return 0

    def bind(image: Image) -> None:
        for application in served:
            shift(image, FREE, APPROVED, application["amount_fen"])
            _one_less(image)

    context.work.change(BUDGETS, budget_id, bind, "serve")
    for application in served:
        context.work.change(APPLICATIONS, application["id"], _promoted(context), "promote", reason="额度腾出, 按候补顺序 budget freed")
    return len(served)


def _promoted(context: Context) -> Callable[[Image], None]:
    def promote(application: Image) -> None:
        application.pop("waiting_no")
        application.update(held=APPROVED, held_fen=application["amount_fen"])
        note(application, "approved", application["amount_fen"], context.today.isoformat())
        enter(application, "approved", context)

    return promote


def _one_less(budget: Image) -> None:
    budget["waiting"] -= 1


def _claim(application: Image, target: str, amount_fen: int, context: Context) -> bool:
    """Take free money unless somebody waits for it."""
    budget = budget_of(application, context)
    if budget["waiting"] or budget[FREE] < amount_fen:
        return False
    _move(application, FREE, target, amount_fen, "reserve" if target == RESERVED else "approve", context)
    application.update(held=target, held_fen=amount_fen)
    return True


def _move(application: Image, source: str, target: str, amount_fen: int, action: str, context: Context) -> None:
    context.work.change(
        BUDGETS, str(application["budget_id"]), lambda budget: shift(budget, source, target, amount_fen), action,
        reason=_named(application),
    )


def _named(application: Image) -> str:
    return f"{APPLICATIONS}/{application['id']}"
