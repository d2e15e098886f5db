"""What an application says on its way in: who it is for, what a feed may say of its past, what it takes from a budget."""

from __future__ import annotations

from datetime import date

from services.incentives.applications import notice
from services.incentives.applications.award import dossier
from services.incentives.applications.desk import take_place, year_of
from services.incentives.applications.progress import DEAD, note, past_handling_days, start_clock
from services.incentives.applications.terms import version_on
from services.incentives.budgets import money
from services.incentives.eligibility.decide import decide
from shared.auth.roles import Role
from shared.errors import Fault, Forbidden, Invalid
from shared.records.kind import STAFF
from shared.records.workflow import Context, Image

PAST = ("amount_fen", "ordered_fen", "recovered_fen", "policy_version", "budget_id")  # a feed's: how an office brings its past along
ASKED = (*PAST, "policy_code", "item", "introduction", "uscc", "town_code", "year", "reference_date", "application_no")
RESERVED = frozenset({"proposed", "publicity", "objection"})
APPROVED = frozenset({"approved", "payment_ordered", "payment_failed"})
AT_BANK = frozenset({"payment_ordered", "payment_failed"})
PAID = frozenset({"paid", "clawback_ordered", "partially_recovered", "recovered", "written_off"})
FIXED = frozenset({"reviewed", "waiting", *RESERVED, *APPROVED, *PAID})
CLAWED_BACK = PAID - {"paid"}
UNKNOWN = {"introduction": "没有该引进记录 no such introduction", "uscc": "没有该企业 no such enterprise for this caller"}


def prepare(image: Image, old: Image | None, context: Context) -> None:
    """Derive the applicant and refuse what is not the caller's to say. Raises Invalid naming every fault."""
    faults = [*_not_theirs(image, old, context), *(_applicant(image, context) or _of_another(image, old, context)), *_settled(image, old)]
    if old is None and image["state"] in FIXED and image.get("amount_fen") is None:
        faults.append(Fault("/amount_fen", "required", "该状态须有金额 this state has an amount"))
    if faults:
        raise Invalid("the application has faults", faults=faults)
    image["year"] = year_of(image, context.today)
    if old is None:
        _past(image, context)


def _not_theirs(image: Image, old: Image | None, context: Context) -> list[Fault]:
    feed = context.principal.has(Role.DATA_FEED)
    before = old or {}
    found = [
        Fault(f"/{name}", "not_allowed", "由政策与流程确定 the policy and the workflow say this")
        for name in PAST if not feed and image.get(name) != before.get(name)
    ]
    if image.get("override") != before.get("override") and not context.principal.has(Role.BUREAU_REVIEWER, Role.BUREAU_APPROVER):
        raise Forbidden("an override is asked for by bureau staff and confirmed by a second person")
    return found


def _settled(image: Image, old: Image | None) -> list[Fault]:
    """Once submitted, who asks for what stays: also a feed may not move money past the workflow."""
    if old is None or old["state"] in ("draft", "returned"):
        return []
    return [Fault(f"/{name}", "immutable", "提交后不可修改 fixed once submitted") for name in ASKED if image.get(name) != old.get(name)]


def _applicant(image: Image, context: Context) -> list[Fault]:
    """Exactly one of a person (by the introduction) and an enterprise."""
    if bool(image.get("introduction")) == bool(image.get("uscc")):
        return [Fault("/introduction", "required", "填写引进记录或企业之一 either the introduction or the enterprise")]
    if image.get("uscc"):
        image["applicant"] = image["uscc"]
        return [] if image.get("town_code") else [Fault("/town_code", "required", "必填 required")]
    introduction = context.find("introductions", image["introduction"])
    if introduction is None:
        return [Fault("/introduction", "unknown", UNKNOWN["introduction"])]
    image.update(applicant=introduction["person_key"], employer_uscc=introduction["employer_uscc"])
    image.setdefault("town_code", introduction["town_code"])
    return []


def _of_another(image: Image, old: Image | None, context: Context) -> list[Fault]:
    """Who acts for an enterprise asks for it and for whom it introduced: another's is told like one that does not exist."""
    principal, name = context.principal, "introduction" if image.get("introduction") else "uscc"
    firm = image.get("employer_uscc") if image.get("introduction") else image.get("uscc")
    unchanged = old is not None and old.get(name) == image[name]
    if unchanged or principal.has(*STAFF) or not principal.enterprises or firm in principal.enterprises:
        return []
    return [Fault(f"/{name}", "unknown", UNKNOWN[name])]


def _past(image: Image, context: Context) -> None:
    """Clock and ledger of a file that begins here, or of one that an office brings along with its history."""
    days = {hand["action"]: hand["at"][:10] for hand in image["hands"]}
    today = context.today.isoformat()
    state, amount = image["state"], int(image.get("amount_fen") or 0)
    if state not in DEAD | {"draft"}:
        take_place(image, context)
    image["clock"] = {"spent": 0, "left": {}}
    start_clock(image, date.fromisoformat(max([at for action, at in days.items() if action != "post"], default=today)))
    submitted = days.get("submit")
    if state != "draft":
        image.setdefault("reference_date", submitted or today)
        _under_its_rules(image, context)
    if submitted or state not in ("draft",):
        note(image, "applied", amount, submitted or today)
    approved = days.get("approve")
    if approved and submitted:
        spent = past_handling_days(submitted, approved)
        note(image, "decided", 0, approved, **({} if spent is None else {"days": spent}))
    if state in APPROVED | PAID:
        note(image, "approved", amount, approved or today)
    if state in PAID:
        image["paid_on"] = days.get("confirm_payment", today)
        note(image, "paid", amount, image["paid_on"])
        image["payments"] = [{"no": f"{image['id']}-1", "state": "paid", "amount_fen": amount, "paid_on": image["paid_on"]}]
    if state in CLAWED_BACK:
        _clawed_back(image, days, today, amount)
    if state in AT_BANK:
        said = "failed" if state == "payment_failed" else "released" if "release_payment" in days else "ordered"
        image["payments"] = [{"no": f"{image['id']}-1", "state": said, "amount_fen": amount}]
    if state == "suspended":
        image["suspended_from"] = "submitted"  # what an old file was before it was suspended is decided anew
    if state == "objection":
        image["objections"] = [{"by": None, "at": image["recorded_at"], "state": "open"}]
    if state in ("publicity", "objection"):
        notice.post(image, date.fromisoformat(days.get("publish", today)), context)


def _under_its_rules(image: Image, context: Context) -> None:
    """The policy version of its day, which a later one does not touch; and the decision, where the version says what was decided.

    An office brings amounts along and no snapshots: a decision that came out otherwise on what is known here is not ours to tell.
    """
    policy = version_on(image["policy_code"], image["reference_date"], context)
    if policy is None:
        return
    image.setdefault("policy_version", policy["version_no"])
    if image["state"] in FIXED and image["policy_version"] == policy["version_no"]:
        found = decide(policy, dossier(image, context), date.fromisoformat(image["reference_date"]))
        if found.amount_fen == image["amount_fen"]:
            image["decision"] = found.to_json() | {"decided_on": context.today.isoformat()}


def _clawed_back(image: Image, days: dict[str, str], today: str, amount: int) -> None:
    ordered, recovered = int(image.get("ordered_fen") or amount), int(image.get("recovered_fen") or 0)
    rest = ordered - recovered
    on = days.get("order_clawback", today)
    written_off = rest if image["state"] == "written_off" else 0
    image["clawback"] = {"cause": "other", "ordered_on": on, "ordered_fen": ordered, "recovered_fen": recovered,
                         "written_off_fen": written_off, "receipts": []}
    note(image, "ordered", ordered, on)
    if recovered:
        received = days.get("record_recovery", today)
        image["clawback"]["receipts"].append({"amount_fen": recovered, "on": received, "receipt_no": None})
        note(image, "recovered", recovered, received)
    if written_off:
        note(image, "written_off", written_off, days.get("write_off", today))


def arrive(image: Image, context: Context) -> None:
    """Take from the budget what a file that comes with its past holds. Raises RuleBroken when the budget has not so much."""
    state, amount = image["state"], int(image.get("amount_fen") or 0)
    if state in RESERVED:
        money.budget_of(image, context)
        money.reserve(image, amount, context)
    elif state in APPROVED:
        money.bring(image, money.APPROVED, amount, context)
    elif state in PAID:
        recovered = int((image.get("clawback") or {}).get("recovered_fen", 0))
        money.bring(image, money.PAID, amount - recovered, context)
    elif state == "waiting":
        image["waiting_no"] = money.queue(image, context)
