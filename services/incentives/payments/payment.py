"""One payment of one award: ordered by one treasury hand, released by another, paid only when the bank says so.

Every attempt has its own number, which is the key that the bank and we know it by; a new attempt exists only after the
bank refused the one before.
"""

from __future__ import annotations

from services.incentives.applications.progress import note
from services.incentives.budgets import money
from shared.errors import Fault, Invalid, RuleBroken
from shared.records.workflow import Context, Image, Request


def order(image: Image, request: Request, context: Context) -> None:
    """A payment order under a new number. Raises Invalid when the account is not the beneficiary's."""
    _check_account(image, context)
    payments = image.get("payments") or []
    number = f"{image['id']}-{len(payments) + 1}"
    order_ = {"no": number, "state": "ordered", "amount_fen": image["amount_fen"], "ordered_at": context.now}
    image["payments"] = [*payments, order_ | ({"batch": request.into} if request.into else {})]


def release(image: Image, request: Request, context: Context) -> None:
    """Let the order go to the bank."""
    _last(image, "ordered").update(state="released", released_at=context.now)


def confirm(image: Image, request: Request, context: Context) -> None:
    """The bank's receipt: now it is paid."""
    if not request.doc_no:
        raise Invalid("回单号必填 the bank's receipt is needed", faults=[Fault("/doc_no", "required", "回单号 bank receipt number")])
    on = request.effective_on or context.today.isoformat()
    _last(image, "released").update(state="paid", bank_receipt_no=request.doc_no, paid_on=on)
    money.pay(image, context)
    image["paid_on"] = on
    note(image, "paid", image["amount_fen"], on)


def fail(image: Image, request: Request, context: Context) -> None:
    """The bank refused: back to the applicant with the bank's reason, to mend the account."""
    _last(image, "ordered", "released").update(state="failed", bank_reason=request.reason, failed_at=context.now)


def _last(image: Image, *states: str) -> Image:
    payments: list[Image] = image.get("payments") or [{"state": "none"}]
    if payments[-1]["state"] not in states:
        raise RuleBroken(f"该笔支付状态为{payments[-1]['state']} the payment is {payments[-1]['state']}, not {' or '.join(states)}")
    return payments[-1]


def _check_account(image: Image, context: Context) -> None:
    """The account's holder is the beneficiary: the person of the introduction, or the enterprise."""
    account = context.work.clear("applications", image).get("account")
    if not account:
        return
    expected = image.get("applicant_name")
    if image.get("introduction"):
        introduction = context.find("introductions", image["introduction"])
        expected = context.work.clear("introductions", introduction)["person"]["name"] if introduction else None
    if expected and account["holder"] != expected:
        raise Invalid("户名与受益人不符", faults=[Fault("/account/holder", "not_beneficiary", "户名须为受益人 the holder is not the beneficiary")])
