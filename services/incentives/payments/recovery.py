"""Money that comes back 追缴: ordered for a cause, received in parts, written off by two hands; the payment stays gross.

gross − recovered = net; ordered − recovered − written off = outstanding.
"""

from __future__ import annotations

from services.incentives.applications.progress import note
from services.incentives.budgets import money
from shared.errors import Fault, Invalid, RuleBroken
from shared.records.workflow import Context, Image, Request

CAUSES = ("certificate_revoked", "left_early", "introduction_false", "other")


def order(image: Image, request: Request, context: Context) -> None:
    """Order the whole award back, or a part of it. The cause is the one that was found, or is named with the order."""
    found = image.pop("clawback_due", None) or {}
    cause = request.cause or found.get("cause") or "other"
    amount = image["held_fen"] if request.amount_fen is None else request.amount_fen
    faults = []
    if cause not in CAUSES:
        faults.append(Fault("/cause", "unknown", f"one of {', '.join(CAUSES)}"))
    if not 0 < amount <= image["held_fen"]:
        faults.append(Fault("/amount_fen", "out_of_range", f"1–{image['held_fen']} fen"))
    if faults:
        raise Invalid("the order has faults", faults=faults)
    on = request.effective_on or context.today.isoformat()
    image["clawback"] = {"cause": cause, "evidence": request.doc_no or found.get("evidence"), "ordered_on": on, "ordered_fen": amount,
                         "recovered_fen": 0, "written_off_fen": 0, "receipts": []}
    note(image, "ordered", amount, on)


def record(image: Image, request: Request, context: Context) -> None:
    """Book a receipt: recovered money is free again. Raises Invalid beyond what is outstanding."""
    clawback, amount = image["clawback"], request.amount_fen
    if amount is None or not 0 < amount <= outstanding(image):
        raise Invalid("the receipt has faults", faults=[Fault("/amount_fen", "out_of_range", f"1–{outstanding(image)} fen")])
    on = request.effective_on or context.today.isoformat()
    clawback["recovered_fen"] += amount
    clawback["receipts"].append({"amount_fen": amount, "on": on, "receipt_no": request.doc_no})
    note(image, "recovered", amount, on)
    money.take_back(image, amount, context)
    image["state"] = "recovered" if outstanding(image) == 0 else "partially_recovered"


def may_write_off(image: Image, request: Request, context: Context) -> None:
    """Already who proposes it names the auditor's notice. Raises Invalid without its number."""
    if not request.doc_no:
        raise Invalid("审计告知文号必填", faults=[Fault("/doc_no", "required", "审计告知文号 number of the auditor's notice")])
    if outstanding(image) == 0:
        raise RuleBroken("没有待追缴金额 nothing is outstanding")


def write_off(image: Image, request: Request, context: Context) -> None:
    """Give up the rest, see `may_write_off`."""
    rest = outstanding(image)
    image["clawback"].update(written_off_fen=rest, written_off_doc_no=request.doc_no)
    note(image, "written_off", rest, request.effective_on or context.today.isoformat())


def outstanding(image: Image) -> int:
    """What is still to come, in fen."""
    clawback = image.get("clawback") or {}
    return int(clawback.get("ordered_fen", 0) - clawback.get("recovered_fen", 0) - clawback.get("written_off_fen", 0))
