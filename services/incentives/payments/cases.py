"""Which awards lost their ground, and what is owed: unpaid ones held back, paid ones due, ordered ones with what is outstanding."""

from __future__ import annotations

from flask import Flask, Response, request

from services.incentives.description import RECOVERIES
from services.incentives.payments.recovery import outstanding
from shared.auth.roles import Role
from shared.auth.web import access
from shared.errors import Fault, Invalid
from shared.records.image import from_store
from shared.records.kind import STAFF
from shared.records.workflow import Image
from shared.records.write import Records
from shared.web.json import json_response
from shared.web.openapi import ASKS, document, in_query, one_of

PATH, MOST_LISTED = "/incentives/v1/recoveries", 1_000
OWED = ("clawback_ordered", "partially_recovered")
STATES = {  # of a case: the applications in it
    "held_back": {"state": "suspended", "held_back": {"$exists": True}},
    "due": {"state": "paid", "clawback_due.cause": {"$exists": True}},
    "ordered": {"state": {"$in": list(OWED)}},
}


def mount_cases(app: Flask, records: Records) -> None:
    """Add `GET /recoveries[?state=held_back|due|ordered]`."""

    @access(*(STAFF - {Role.TOWN_REVIEWER, Role.METRICS}))
    def recoveries() -> Response:
        wanted = request.args.get("state")
        if wanted is not None and wanted not in STATES:
            raise Invalid("unknown state", faults=[Fault("", "state", f"one of {', '.join(STATES)}")])
        return json_response({"items": cases(records, wanted), "next": None})

    app.add_url_rule(PATH, "recoveries", recoveries)
    document(app, PATH, "get", "依据灭失的兑现与追缴事项", tag="applications",
             parameters=[in_query("state", one_of(*STATES))], answer=RECOVERIES, refusals=(*ASKS, 422))


def cases(records: Records, wanted: str | None = None) -> list[Image]:
    """The cases of one state or of all, oldest application first."""
    where = STATES[wanted] if wanted else {"$or": list(STATES.values())}
    return [_case(from_store(found)) for found in records.database.applications.find(where).sort("_id", 1).limit(MOST_LISTED)]


def _case(application: Image) -> Image:
    clawback, due, held = (application.get(name) or {} for name in ("clawback", "clawback_due", "held_back"))
    state = "ordered" if clawback else "due" if due else "held_back"
    why = clawback or due or held
    return {
        "application": application["id"], "state": state, "policy_code": application["policy_code"], "town_code": application.get("town_code"),
        "cause": why.get("cause"), "evidence": why.get("evidence"),
        "amount_fen": clawback.get("ordered_fen") or due.get("amount_fen") or application.get("amount_fen"),
        "recovered_fen": clawback.get("recovered_fen", 0), "outstanding_fen": outstanding(application),
    }
