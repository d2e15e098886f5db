"""`GET /{service}/v1/audit`: every write, look and refused try, newest first, for auditors."""

from __future__ import annotations

import re
from datetime import datetime, timedelta
from typing import Any

from flask import Flask, Response, request

from shared.auth.roles import Role
from shared.auth.web import access
from shared.clock import SHANGHAI, format_instant, parse_instant
from shared.errors import Fault, Invalid
from shared.mongo import Document
from shared.records.access_log import COLLECTION as ACCESS_LOG
from shared.records.listing import number_of
from shared.records.write import Records
from shared.web.json import json_response
from shared.web.openapi import ASKS, INSTANT, TEXT, document, in_query, items_of, maybe, obj, one_of

PAGE, LARGEST_PAGE = 100, 1_000
NEWEST_FIRST = [("time", -1), ("_id", -1)]
SHOWN = ("kind", "record_id", "version", "action", "method", "route", "status", "code", "fields", "purpose", "reason", "effective_on")
PARAMETERS = {
    "actor": "who: the opaque id", "record": "kind/id", "from": "RFC 3339 or a day", "to": "RFC 3339 or a day, to its end",
    "event": "write, refusal or look", "limit": f"1 to {LARGEST_PAGE}", "cursor": "`next` of the page before",
}
EVENTS = {"write": "changes", "refusal": ACCESS_LOG, "look": ACCESS_LOG}
PARAMETERS_OF = {"event": one_of(*EVENTS), "limit": {"type": "integer", "minimum": 1, "maximum": LARGEST_PAGE}}
ENTRY = obj({"id": TEXT, "event": one_of(*EVENTS), "time": INSTANT, "actor": TEXT, "role": TEXT, "hash": TEXT})
DAY = re.compile(r"\d{4}-\d{2}-\d{2}")


def mount_audit(app: Flask, records: Records) -> None:
    """Add the route."""

    @access(Role.AUDITOR)
    def audit() -> Response:
        return json_response(page(records))

    path = f"/{records.service}/v1/audit"
    app.add_url_rule(path, "audit", audit)
    described = [in_query(name, PARAMETERS_OF.get(name, TEXT), text) for name, text in PARAMETERS.items()]
    document(app, path, "get", "审计日志: 写入、查看与被拒", tag="audit", parameters=described, answer=items_of(ENTRY, maybe(TEXT)),
             refusals=(*ASKS, 422))


def page(records: Records) -> Document:
    """One page: changes and access entries as one list. Raises Invalid naming every fault of the query."""
    asked, limit = _query(), number_of("limit", PAGE, LARGEST_PAGE)
    event = request.args.get("event")
    found: list[Document] = []
    for log in dict.fromkeys([EVENTS[event]] if event else EVENTS.values()):
        query = asked | ({"event": event} if event in ("refusal", "look") else {})
        found += records.database[log].find(query, {"after": 0}).sort(NEWEST_FIRST).limit(limit + 1)
    found.sort(key=lambda entry: (entry["time"], entry["_id"]), reverse=True)
    items = found[:limit]
    return {"items": [_shown(entry) for entry in items], "next": f"{items[-1]['time']}|{items[-1]['_id']}" if len(found) > limit else None}


def _shown(entry: Document) -> Document:
    event = "write" if "version" in entry else entry["event"]
    body = {"id": entry["_id"], "event": event} | {name: entry[name] for name in ("time", "actor", "role")}
    return body | {name: entry[name] for name in SHOWN if entry.get(name) is not None} | {"hash": entry["hash"]}


def _query() -> Document:
    faults = [Fault(f"/{name}", "unknown", "未知参数 unknown parameter") for name in request.args if name not in PARAMETERS]
    query: Document = {}
    if actor := request.args.get("actor"):
        query["actor"] = actor
    if record := request.args.get("record"):
        kind, _, record_id = record.partition("/")
        query |= {"kind": kind, "record_id": record_id}
    if request.args.get("event", "write") not in EVENTS:
        faults.append(Fault("/event", "unknown", f"one of {', '.join(EVENTS)}"))
    times = {"$gte": _instant("from", faults), "$lt": _instant("to", faults)}
    if span := {name: value for name, value in times.items() if value}:
        query["time"] = span
    if cursor := request.args.get("cursor"):
        time, _, last = cursor.partition("|")
        query["$or"] = [{"time": {"$lt": time}}, {"time": time, "_id": {"$lt": last}}]
        query["time"] = query.get("time", {}) | {"$lte": time}
    if faults:
        raise Invalid("the query string has faults", faults=faults)
    return query


def _instant(name: str, faults: list[Fault]) -> Any:
    text = request.args.get(name)
    if not text:
        return None
    try:
        if not DAY.fullmatch(text):
            return format_instant(parse_instant(text.replace(" ", "+")))  # a plus sign that was not escaped
        return format_instant(datetime.fromisoformat(text).replace(tzinfo=SHANGHAI) + timedelta(days=name == "to"))
    except (ValueError, OverflowError):
        faults.append(Fault(f"/{name}", "not_a_date", "a date YYYY-MM-DD or an RFC 3339 instant with offset is needed"))
        return None
