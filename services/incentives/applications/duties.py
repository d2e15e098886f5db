"""What time and money do by themselves: an overdue file is escalated, freed money serves who still waits."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from services.incentives.budgets import money
from shared.auth.principal import Principal
from shared.auth.roles import Role
from shared.clock import today
from shared.mongo import transact
from shared.records.workflow import Context, Image
from shared.records.write import Records

CLOCK = Principal("system:clock", frozenset({Role.DATA_FEED}))
APPLICATIONS = "applications"
AT_ONCE = 500
ABOVE = {"submitted": Role.BUREAU_REVIEWER, "payment_ordered": Role.AUDITOR, "approved": Role.AUDITOR}  # whom a red file goes to


def escalate(records: Records) -> int:
    """Raise every file whose last working day has passed, once for each desk; how many."""
    now = today(records.clock).isoformat()
    overdue = {"clock.due_on": {"$lt": now}, "clock.escalated": {"$exists": False}}
    found = [each["_id"] for each in records.database[APPLICATIONS].find(overdue, {"_id": 1}).limit(AT_ONCE)]
    for application_id in found:
        _transact(records, partial(_raise, application_id, now))
    return len(found)


def _raise(application_id: str, now: str, context: Context) -> None:
    application = context.find(APPLICATIONS, application_id)
    clock = (application or {}).get("clock") or {}
    if application is None or clock.get("escalated") or not clock.get("due_on") or clock["due_on"] >= now:
        return  # somebody took it on meanwhile
    to = ABOVE.get(application["state"], Role.BUREAU_APPROVER).value

    def put(image: Image) -> None:
        image["clock"] = image["clock"] | {"escalated": {"on": now, "to": to}}

    context.work.change(APPLICATIONS, application_id, put, "escalate", reason=f"逾期 overdue since {clock['due_on']}")


def serve(records: Records) -> int:
    """Bind money that became free to who waits: after a larger total, or where more waited than one step serves."""
    waited = records.database[money.BUDGETS].find({"waiting": {"$gt": 0}, money.FREE: {"$gt": 0}}, {"_id": 1})
    return sum(_transact(records, partial(money.serve, str(each["_id"]))) for each in list(waited))


def _transact(records: Records, work: Callable[[Context], Any]) -> Any:
    return transact(records.client, lambda _: work(records.context(CLOCK, writes=True)))
