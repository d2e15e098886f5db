"""The district's five figures: gross, ordered, recovered, net, outstanding; of all, by policy, by town, by month.

Sums of the applications' own dated entries, so that they reconcile with every file at any moment:
net = gross − recovered, outstanding = ordered − recovered − written off.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from flask import Flask, Response, request

from services.incentives.description import LEDGER
from shared.auth.roles import Role
from shared.auth.web import access
from shared.errors import Fault, Invalid
from shared.records.kind import STAFF
from shared.records.workflow import Image
from shared.records.write import Records
from shared.web.json import json_response
from shared.web.openapi import ASKS, document, in_query, one_of

APPLICATIONS = "applications"
BY: Mapping[str, Any] = {"policy": "$policy_code", "town": "$town_code", "month": {"$substrCP": ["$entries.on", 0, 7]}}
SUMMED = ("paid", "ordered", "recovered", "written_off")


def mount_ledger(app: Flask, records: Records) -> None:
    """Add `GET /ledger`."""

    @access(*(STAFF - {Role.TOWN_REVIEWER, Role.METRICS}))
    def ledger() -> Response:
        by = request.args.get("by")
        if by is not None and by not in BY:
            raise Invalid("unknown grouping", faults=[Fault("", "by", f"one of {', '.join(BY)}")])
        total = sums(records, None)
        items = [{"key": key, **figures} for key, figures in sorted(sums(records, by).items())] if by else []
        return json_response({"total": total.get("", figures_of({})), "by": by, "items": items, "next": None})

    app.add_url_rule("/incentives/v1/ledger", "ledger", ledger)
    document(app, "/incentives/v1/ledger", "get", "资金台账: 已付 追缴 追回 净额 待追缴", tag=APPLICATIONS,
             parameters=[in_query("by", one_of(*BY))], answer=LEDGER, refusals=(*ASKS, 422))


def sums(records: Records, by: str | None) -> dict[str, Image]:
    """The figures per group, or of everything under the key ""."""
    group = {"key": BY[by] if by else "", "entry": "$entries.entry"}
    found = records.database[APPLICATIONS].aggregate([
        {"$match": {"entries.entry": {"$in": list(SUMMED)}}},
        {"$unwind": "$entries"},
        {"$match": {"entries.entry": {"$in": list(SUMMED)}}},
        {"$group": {"_id": group, "fen": {"$sum": "$entries.amount_fen"}, "number": {"$sum": 1}}},
    ])
    groups: dict[str, dict[str, int]] = {}
    for line in found:
        groups.setdefault(str(line["_id"]["key"] or ""), {})[line["_id"]["entry"]] = int(line["fen"])
    return {key: figures_of(summed) for key, summed in groups.items()}


def figures_of(summed: Mapping[str, int]) -> Image:
    """The five figures, and what was given up."""
    paid, ordered, recovered, written_off = (summed.get(entry, 0) for entry in SUMMED)
    return {
        "gross_fen": paid, "ordered_fen": ordered, "recovered_fen": recovered, "net_fen": paid - recovered,
        "outstanding_fen": ordered - recovered - written_off, "written_off_fen": written_off,
    }
