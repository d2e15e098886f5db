"""Why money that was paid must come back, found by what became known since (domain D.4, goals 13).

The file is marked with the cause, its evidence and the amount; ordering the money back stays an approver's decision.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import date
from typing import Any

from services.incentives.applications.award import dossier
from services.incentives.applications.terms import policy_of
from services.incentives.eligibility.decide import NOT_ELIGIBLE, decide
from shared.records.workflow import Context, Image

APPLICATIONS, INTRODUCTIONS = "applications", "introductions"
FALSE = frozenset({"invalidated", "rejected"})
MONTHS = 12
MOST_NAMED = 20  # pieces of evidence


def mark(applications: Iterable[Image], context: Context) -> int:
    """Mark those of the paid files given whose ground is gone, and unmark those whose ground is back; how many changed."""
    changed = 0
    for application in applications:
        if application["state"] != "paid":
            continue
        found, known = cause(application, context), application.get("clawback_due")
        same = (known or {}).get("cause") == (found or {}).get("cause")
        if not same:
            reason = found["cause"] if found else "原因已消除 the cause is gone"
            context.work.change(APPLICATIONS, application["id"], _put(found), "find_clawback" if found else "drop_clawback", reason=reason)
            changed += 1
    return changed


def _put(found: Image | None) -> Callable[[Image], None]:
    def put(image: Image) -> None:
        image.pop("clawback_due", None)
        if found:
            image["clawback_due"] = found

    return put


def cause(application: Image, context: Context) -> Image | None:
    """{cause, evidence, amount_fen, found_on}, or None while the award stands on what is known."""
    named = _of_person(application, context) if application.get("introduction") else _of_enterprise(application, context)
    if named is None:
        return None
    why, evidence = named
    return {"cause": why, "evidence": evidence, "amount_fen": application["held_fen"], "found_on": context.today.isoformat()}


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
    """A qualification was revoked that the award rested on: without it the same version would not have been met."""
    if not application.get("decision"):
        return None
    known: dict[str, Any] = dossier(application, context)
    revoked = [f"{kind}/{image['id']}" for kind, images in known["records"].items() for image in images if image.get("state") == "revoked"]
    if not revoked:
        return None
    standing = {kind: [image for image in images if image.get("state") != "revoked"] for kind, images in known["records"].items()}
    without = decide(policy_of(application, context), known | {"records": standing}, date.fromisoformat(application["reference_date"]))
    return ("certificate_revoked", ", ".join(sorted(revoked)[:MOST_NAMED])) if without.outcome == NOT_ELIGIBLE else None

