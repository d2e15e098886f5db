"""`GET /registry/v1/notifications`: an enterprise sees its own reminders, a town its enterprises', offices all of them."""

from __future__ import annotations

from datetime import date
from typing import Any

from flask import Flask, Response, request

from services.registry.reminders.channels import content
from services.registry.reminders.plan import DELIVERIES, ENTERPRISES, NEWEST_FIRST, NOTIFICATIONS
from shared.auth.principal import Principal
from shared.auth.roles import Role
from shared.auth.web import access, current_principal
from shared.clock import today
from shared.errors import Fault, Invalid
from shared.mongo import Document
from shared.records.kind import OWNERS, STAFF
from shared.records.listing import LARGEST_PAGE, PAGE, number_of
from shared.records.write import Records
from shared.standards.workdays import CalendarMissing, workdays_between
from shared.web.json import UNSTORABLE, json_response
from shared.web.openapi import ASKS, DAY, FLAG, INSTANT, INTEGER, TEXT, document, in_query, items_of, maybe, obj, one_of

PATH = "/registry/v1/notifications"
ALL = STAFF - {Role.TOWN_REVIEWER}
FILTERS = ("uscc", "kind", "record_id", "town_code", "lead")
DELIVERY = obj({"channel": one_of("webhook", "email"), "state": one_of("waiting", "sent", "failed", "dropped"), "tries": INTEGER,
                "reason": maybe(TEXT), "sent_at": maybe(TEXT)})
NOTIFICATION = obj(
    {"id": TEXT, "kind": TEXT, "record_id": TEXT, "uscc": maybe(TEXT), "enterprise_name": maybe(TEXT), "town_code": maybe(TEXT),
     "ends_on": DAY, "last_day": DAY, "lead": TEXT, "due_on": DAY, "created_at": INSTANT, "overtaken": FLAG, "days_left": INTEGER,
     "working_days_left": maybe(INTEGER), "deliveries": {"type": "array", "items": DELIVERY}},
    ["id", "kind", "record_id", "uscc", "enterprise_name", "town_code", "ends_on", "last_day", "lead", "due_on", "created_at", "overtaken",
     "days_left", "working_days_left"],
)


def mount_notifications(app: Flask, records: Records) -> None:
    """Add the route."""

    @access(*STAFF, *OWNERS)
    def notifications() -> Response:
        return json_response(page(records, current_principal()))

    app.add_url_rule(PATH, "notifications", notifications)
    text = {"type": "string", "maxLength": 500}
    described = [in_query("limit", {"type": "integer", "minimum": 1, "maximum": LARGEST_PAGE}), in_query("cursor", text, "`next` of the page before")]
    described += [in_query(name, text) for name in FILTERS]
    document(app, PATH, "get", "到期提醒", tag="notifications", parameters=described, refusals=(*ASKS, 422),
             answer=items_of(NOTIFICATION, maybe(TEXT)))


def page(records: Records, principal: Principal) -> Document:
    """One page, the newest first."""
    faults = [Fault("", "unknown", "unknown filter") for name in request.args if name not in (*FILTERS, "limit", "cursor")]
    faults += [Fault("", "characters", name) for name, text in request.args.items(multi=True) if UNSTORABLE.search(text) or len(text) > 500]
    if faults:
        raise Invalid("the query string has faults", faults=faults)
    conditions: list[Document] = [_scope(records, principal)]
    conditions += [{name: {"$in": request.args.getlist(name)}} for name in FILTERS if name in request.args]
    if cursor := request.args.get("cursor"):
        conditions.append(_behind(cursor))
    limit = number_of("limit", PAGE, LARGEST_PAGE)
    found = list(records.database[NOTIFICATIONS].find({"$and": conditions}).sort(NEWEST_FIRST).limit(limit))
    shown = [_shown(notice, today(records.clock)) for notice in found]
    if principal.has(*ALL):
        _add_deliveries(records, shown)
    return {"items": shown, "next": "|".join(found[-1][name] for name, _ in NEWEST_FIRST) if len(found) == limit else None}


def _behind(cursor: str) -> Document:
    """What comes after a notification, as a filter. Raises Invalid."""
    parts = cursor.split("|")
    if len(parts) != len(NEWEST_FIRST):
        raise Invalid("unknown cursor", faults=[Fault("", "cursor", "use the `next` of the page before")])
    names = [name for name, _ in NEWEST_FIRST]
    later = [dict(zip(names[:n], parts, strict=False)) | {names[n]: {"$lt": parts[n]}} for n in range(len(parts))]
    return {"created_at": {"$lte": parts[0]}, "$or": later}


def _scope(records: Records, principal: Principal) -> Document:
    """What the caller may see, as a filter."""
    if principal.has(*ALL):
        return {}
    mine: list[Document] = []
    if principal.has(Role.TOWN_REVIEWER) and principal.town:
        mine.append({"town_code": principal.town})
    if principal.has(*OWNERS):
        own = records.database[ENTERPRISES].distinct("_id", {"created_by": principal.actor})
        mine.append({"uscc": {"$in": sorted({*own, *principal.enterprises})}})
    return {"$or": mine} if mine else {"_id": {"$in": []}}


def _shown(notice: Document, now: date) -> Document:
    ends_on = date.fromisoformat(notice["ends_on"])
    return content(notice) | {"created_at": notice["created_at"], "overtaken": notice["overtaken"], "days_left": (ends_on - now).days,
                              "working_days_left": _working_days(now, ends_on)}


def _working_days(now: date, ends_on: date) -> int | None:
    """Chinese working days that are left before the lapse, today not counted; None where a calendar is not entered yet."""
    try:
        return workdays_between(now, date.fromordinal(ends_on.toordinal() - 1))
    except CalendarMissing:
        return None


def _add_deliveries(records: Records, shown: list[Document]) -> None:
    found: dict[str, list[Any]] = {each["id"]: [] for each in shown}
    for each in records.database[DELIVERIES].find({"notification": {"$in": list(found)}}).sort("_id", 1):
        found[each["notification"]].append({name: each.get(name) for name in ("channel", "state", "tries", "reason", "sent_at")})
    for notice in shown:
        notice["deliveries"] = found[notice["id"]]
