"""Approval and what undoes it before money flows: approve, withdraw, suspend, resume, revoke (domain D.4)."""

from __future__ import annotations

from services.incentives.applications.notice import over
from services.incentives.applications.progress import handling_days, note
from services.incentives.applications.terms import policy_of
from services.incentives.budgets import money
from services.incentives.eligibility.versions import approvals_needed
from shared.errors import RuleBroken
from shared.records.workflow import Context, Image, Request


def approve(image: Image, request: Request, context: Context) -> None:
    """One approver's signature; the last one that the amount needs binds the money or queues for it."""
    if not over(image, context.today):
        raise RuleBroken(f"公示期未满 the notice runs to 24:00 of {(image.get('publicity') or {}).get('until')}")
    image["approvals"] = [*(image.get("approvals") or []), context.principal.actor]
    if len(image["approvals"]) < approvals_needed(policy_of(image, context), image["amount_fen"]):
        return
    settle(image, context)
    on = context.today.isoformat()
    note(image, "decided", 0, on, days=handling_days(image, context.today))


def settle(image: Image, context: Context) -> None:
    """approved with its money bound, or waiting with its number."""
    ticket = money.commit(image, image["amount_fen"], context)
    if ticket is None:
        image["state"] = "approved"
        note(image, "approved", image["amount_fen"], context.today.isoformat())
    else:
        image.update(state="waiting", waiting_no=ticket)


def withdraw(image: Image, request: Request, context: Context) -> None:
    """The applicant gives up."""
    _undo(image, context)


def revoke(image: Image, request: Request, context: Context) -> None:
    """The award is taken back before it was paid."""
    _undo(image, context)


def suspend(image: Image, request: Request, context: Context) -> None:
    """It stands still and holds no money; for a cause that was found, so that the same one does not hold it back again."""
    image["suspended_from"] = image["clock"]["state"]
    if request.cause:
        image["held_back"] = {"cause": request.cause, "evidence": request.doc_no}
    _undo(image, context)


def resume(image: Image, request: Request, context: Context) -> None:
    """Back to where it stood; an award that was approved takes its money again, or a place at the end of the list."""
    image["state"] = image.pop("suspended_from")
    if image["state"] in ("approved", "waiting", "payment_failed"):
        settle(image, context)
    elif image["state"] in ("proposed", "publicity", "objection"):
        money.reserve(image, image["amount_fen"], context)


def at_bank(image: Image) -> bool:
    """Whether the bank may be paying it at this moment."""
    return any(payment["state"] == "released" for payment in image.get("payments") or ())


def _undo(image: Image, context: Context) -> None:
    """Free what it holds. Money that the bank may be paying at this moment cannot be called back."""
    if at_bank(image):
        raise RuleBroken("已发往银行, 待回单 the payment is at the bank: wait for its result")
    if image.get("held") == money.APPROVED:
        note(image, "approved", -image["held_fen"], context.today.isoformat())
    image["payments"] = [
        payment | {"state": "cancelled"} if payment["state"] == "ordered" else payment for payment in image.get("payments") or ()
    ]
    money.release(image, context)
