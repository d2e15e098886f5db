"""What an award rests on, and what becomes of it when that is gone (domain D.1, D.4, goals 13).

A file that is not paid yet is held back: suspended, once for each cause. A paid one is marked with the cause, its evidence and the
amount; ordering the money back stays an approver's decision.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import date
from typing import Any

from services.incentives.applications.award import dossier
from services.incentives.applications.decision import at_bank
from services.incentives.applications.terms import policy_of
from services.incentives.eligibility.decide import ELIGIBLE, decide
from services.incentives.eligibility.facts import holds
from shared.records.workflow import Context, Image, Request

APPLICATIONS, INTRODUCTIONS = "applications", "introductions"
FALSE = frozenset({"invalidated", "rejected"})
MONTHS = 12
HELD_BACK = frozenset({
    "submitted", "accepted", "reviewed", "proposed", "publicity", "objection", "approved", "waiting", "payment_failed", "payment_ordered",
})
MOST_NAMED = 20  # pieces of evidence


def look(applications: Iterable[Image], context: Context) -> None:
    """Hold back the files given that are open and lost their ground; mark the paid ones, and unmark those whose ground is back."""
    for application in applications:
        if application["state"] == "paid":
            _mark(application, context)
        elif application["state"] in HELD_BACK and not at_bank(application):
            _hold_back(application, context)


def _hold_back(application: Image, context: Context) -> None:
    named = _ended(application, context) or _lost(application, context)
    known = application.get("held_back") or {}
    if named and (known.get("cause"), known.get("evidence")) != named:
        why, evidence = named
        present = context.find(APPLICATIONS, application["id"])
        if present is None or present["state"] not in HELD_BACK:
            return  # its offer's end has suspended it already
        request = Request("suspend", reason=f"{why}: {evidence}", cause=why, doc_no=evidence)
        context.work.step(APPLICATIONS, application["id"], request)


def _mark(application: Image, context: Context) -> None:
    found, known = cause(application, context), application.get("clawback_due")
    if (known or {}).get("cause") != (found or {}).get("cause"):
        reason = found["cause"] if found else "原因已消除 the cause is gone"
        context.work.change(APPLICATIONS, application["id"], _put(found), "find_clawback" if found else "drop_clawback", reason=reason)


def _put(found: Image | None) -> Callable[[Image], None]:
    def put(image: Image) -> None:
        image.pop("clawback_due", None)
        if found:
            image["clawback_due"] = found

    return put


def cause(application: Image, context: Context) -> Image | None:
    """{cause, evidence, amount_fen, found_on}, or None while the award stands on what is known."""
    named = _lost(application, context)
    if named is None:
        return None
    why, evidence = named
    return {"cause": why, "evidence": evidence, "amount_fen": application["held_fen"], "found_on": context.today.isoformat()}


def _lost(application: Image, context: Context) -> tuple[str, str] | None:
    """Why the award has no ground any longer, and the record that says so."""
    return _of_person(application, context) if application.get("introduction") else _of_enterprise(application, context)


def _ended(application: Image, context: Context) -> tuple[str, str] | None:
    """An enterprise that moved out, was deregistered, merged or lost its licence: its open files are suspended (D.1)."""
    enterprise = dossier(application, context)["enterprise"] if application.get("uscc") else None
    if enterprise is None or holds(enterprise.get("alive"), context.today.isoformat()):
        return None
    return "enterprise_ended", f"enterprises/{enterprise['id']}"


def _of_person(application: Image, context: Context) -> tuple[str, str] | None:
    introduction = context.find(INTRODUCTIONS, str(application["introduction"]))
    if introduction is None:
        return None
    evidence = f"{INTRODUCTIONS}/{introduction['id']}"
    if introduction["state"] in FALSE:
        return "introduction_false", evidence
    if introduction["state"] == "departed" and introduction["departed_on"] < _service_end(introduction, application, context):
        return "left_early", evidence
    return None


def _service_end(introduction: Image, application: Image, context: Context) -> str:
    """The day until which the person must stay: as agreed, else the policy's months from the first day at work."""
    if introduction.get("service_until"):
        return str(introduction["service_until"])
    hired, months = date.fromisoformat(introduction["hired_on"]), int(policy_of(application, context).get("service_months") or 0)
    year, month = divmod(hired.year * MONTHS + hired.month - 1 + months, MONTHS)
    last = 28 if month == 1 else 30  # a day that every month has, never later than the agreed one
    return date(year, month + 1, min(hired.day, last)).isoformat()


def _of_enterprise(application: Image, context: Context) -> tuple[str, str] | None:
    """A qualification was revoked that the award rested on: with it the version it was decided under is met, without it not."""
    known: dict[str, Any] = dossier(application, context)
    revoked = [f"{kind}/{image['id']}" for kind, images in known["records"].items() for image in images if image.get("state") == "revoked"]
    if not revoked:
        return None
    policy, day = policy_of(application, context), date.fromisoformat(application["reference_date"])

    def met(keep: Callable[[Image], Image | None]) -> bool:
        kept = {kind: [image for image in map(keep, images) if image] for kind, images in known["records"].items()}
        return decide(policy, known | {"records": kept}, day).outcome == ELIGIBLE

    rested = met(_unrevoked) and not met(lambda image: None if image.get("state") == "revoked" else image)
    return ("certificate_revoked", ", ".join(sorted(revoked)[:MOST_NAMED])) if rested else None


def _unrevoked(image: Image) -> Image:
    """A fact as it was before it was revoked."""
    return image | {"state": "verified", "revoked": []} if image.get("state") == "revoked" else image
