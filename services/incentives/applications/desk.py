"""From the draft to the proposal: submit, accept, return, reject, review, propose (domain D.4)."""

from __future__ import annotations

from datetime import date

from services.incentives.applications import award, hands
from services.incentives.applications.progress import DEAD, note
from services.incentives.applications.terms import policy_of
from services.incentives.budgets import money
from shared.errors import Conflict, Fault, Invalid
from shared.records.workflow import Context, Image, Request

APPLICATIONS = "applications"


def submit(image: Image, request: Request, context: Context) -> None:
    """Fix the policy version, decide, and take the one place that a person or firm has for this item and year."""
    policy = policy_of(image, context)
    _check_beneficiary(image, policy)
    image["policy_version"] = policy["version_no"]
    image["clock"] = {"spent": 0, "left": {}, **(image.get("clock") or {}), "days": dict(policy.get("handling_working_days") or {})}
    image.setdefault("reference_date", context.today.isoformat())
    award.decide_on(image, policy, context)
    take_place(image, context)
    if not any(entry["entry"] == "applied" for entry in image.get("entries") or ()):
        note(image, "applied", int(image.get("amount_fen") or 0), context.today.isoformat())


def _check_beneficiary(image: Image, policy: Image) -> None:
    """A policy is for persons or for enterprises. Raises Invalid."""
    asks = "person" if image.get("introduction") else "enterprise"
    if policy["beneficiary"] != asks:
        said = f"该政策的受益人是{'个人' if asks == 'enterprise' else '企业'} the policy is for a {policy['beneficiary']}"
        raise Invalid(said, faults=[Fault("/policy_code", "other_beneficiary", said)])


def take_place(image: Image, context: Context) -> None:
    """The one place of a person or firm for this item and year. Raises Conflict naming who has it; the index settles a race."""
    live = live_key(image)
    for other in context.work.matching(APPLICATIONS, {"live_key": live}, limit=1):
        if other["id"] != image["id"]:
            raise Conflict(
                "同一对象同一政策事项本年度已有在办或已兑现的申请 another application for the same item and year stands",
                faults=[Fault("", "duplicate", f"{other['id']}: {other['state']}")],
            )
    image["live_key"] = live


def live_key(image: Image) -> str:
    """The person or firm, the policy, its item and the year."""
    return "|".join(str(image.get(name) or "") for name in ("applicant", "policy_code", "item", "year"))


def release_place(image: Image) -> None:
    """A file that ended no longer stands in the way of another one."""
    if image["state"] in DEAD:
        image.pop("live_key", None)


def accept(image: Image, request: Request, context: Context) -> None:
    """The town takes the file in."""
    hands.check_town(image, context)


def give_back(image: Image, request: Request, context: Context) -> None:
    """Back to the applicant, with reasons; by the town while it is the town's."""
    if _came_from(image) == "submitted":
        hands.check_town(image, context)


def reject(image: Image, request: Request, context: Context) -> None:
    """The end of it; what was set aside is free again."""
    came_from = _came_from(image)
    if came_from == "submitted":
        hands.check_town(image, context)
    if came_from == "objection":
        close_objections(image, "upheld", context)
    money.release(image, context)


def review(image: Image, request: Request, context: Context) -> None:
    """Cross-checks on the reference date: the conditions as they stand now, and no double benefit."""
    policy = policy_of(image, context)
    award.decide_on(image, policy, context)
    award.refuse_ineligible(image, context)
    award.stack(image, policy, context)


def propose(image: Image, request: Request, context: Context) -> None:
    """Fix the amount: the policy's formula, or an override that a second person signed."""
    policy = policy_of(image, context)
    award.decide_on(image, policy, context)
    award.refuse_ineligible(image, context)
    amount = award.payable(image, policy, context)
    if request.amount_fen is not None and request.amount_fen != amount:
        raise Invalid("金额由政策公式确定 the amount is the policy's; ask for an override with a reason", faults=[
            Fault("/amount_fen", "formula", f"{amount} fen")])
    image["amount_fen"] = amount
    image.pop("approvals", None)
    money.release(image, context)
    money.reserve(image, amount, context)


def close_objections(image: Image, outcome: str, context: Context) -> None:
    """Every open objection is decided at once."""
    image["objections"] = [
        objection if objection["state"] != "open" else objection | {"state": outcome, "decided_at": context.now}
        for objection in image.get("objections") or ()
    ]


def _came_from(image: Image) -> str | None:
    return str(image["clock"]["state"]) if image.get("clock") else None


def year_of(image: Image, today: date) -> int:
    """The year that the item is asked for."""
    return int(image.get("year") or str(image.get("reference_date") or today.isoformat())[:4])
