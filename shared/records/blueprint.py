"""The HTTP routes that every record kind has (contract "Every record kind works the same way")."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from flask import Flask, Response, request

from shared.auth.roles import Role
from shared.auth.web import access, current_principal
from shared.clock import parse_instant, today
from shared.errors import Fault, Invalid, NotFound
from shared.events.envelope import events_of
from shared.records.access import mine, visible
from shared.records.amend import day_faults
from shared.records.description import AHEAD, AS_OF, FEED, Description
from shared.records.fields import MOST_FEN, calendar_day
from shared.records.imports import Imports
from shared.records.intake.routes import mount_imports
from shared.records.kind import Kind
from shared.records.listing import DIGITS, number_of, page
from shared.records.once import Once, once_of
from shared.records.present import FIRST, shown, version_of
from shared.records.steps import ahead
from shared.records.workflow import LONGEST_NOTICE, MOST_FAULTS, Image, Request
from shared.records.write import Records
from shared.web.json import idempotency_key, if_match, json_response, read_object
from shared.web.openapi import (
    ASKS,
    CHANGES,
    CODE_LISTS,
    CREATES,
    FINDS,
    IDEMPOTENCY_KEY,
    IF_MATCH,
    PLACE,
    VERSION,
    document,
    in_path,
    in_query,
    operations_of,
    path_of,
)

PATCHES = ("application/json", "application/merge-patch+json")
EVERYONE = tuple(set(Role) - {Role.SYSADMIN})
REQUEST_FIELDS = frozenset({"action", "reason", "effective_on", "level", "accreditation", "into", "amount_fen", "doc_no", "cause", "faults",
                            "working_days"})
NOT_TEXT = frozenset({"accreditation", "amount_fen", "faults", "working_days"})
MOST_EVENTS = 5_000  # of a page of the feed


def mount_kinds(app: Flask, records: Records, imports: Imports, codes: dict[str, Any]) -> None:
    """Add the routes of all of a service's kinds, its event feed and its code lists."""
    prefix = f"/{records.service}/v1"
    for kind in records.kinds.values():
        _mount_kind(app, prefix, kind, records)
    mount_imports(app, prefix, records, imports)

    @access(Role.AUDITOR, Role.METRICS)
    def events() -> Response:
        return json_response(feed(records, number_of("limit", 1000, MOST_EVENTS), request.args.get("after")))

    @access(*Role)
    def code_lists() -> Response:
        return json_response(codes)

    app.add_url_rule(f"{prefix}/events", "events", events)
    app.add_url_rule(f"{prefix}/codes", "codes", code_lists)
    pages = [in_query("after", {"type": "string", "pattern": "^[0-9]{0,15}$"}, "`last` of the page before; empty from the beginning"),
             in_query("limit", {"type": "integer", "minimum": 1, "maximum": MOST_EVENTS})]
    document(app, f"{prefix}/events", "get", "全部事件, 由旧到新", tag="events", answer=FEED, parameters=pages, refusals=(*ASKS, 422))
    document(app, f"{prefix}/codes", "get", "代码表", tag="codes", answer=CODE_LISTS, refusals=ASKS)


def feed(records: Records, limit: int, after: str | None) -> Image:
    """The service's published changes as events, in log order; `last` is where the page ends, also where nothing follows
    yet, and `pending` counts what the relay has not published."""
    if after and not DIGITS.fullmatch(after):
        raise Invalid("unknown cursor", faults=[Fault("", "cursor", "use the `next` of the page before")])
    changes = list(records.database.changes.find({"position": {"$gt": int(after or 0)}}).sort("position", 1).limit(limit))
    items = [event for change in changes for event in events_of(change, records.service)]
    pending = records.database.changes.count_documents({"published": False})
    last = str(changes[-1]["position"]) if changes else after
    return {"items": items, "next": last if len(changes) == limit else None, "last": last, "pending": pending}


def _mount_kind(app: Flask, prefix: str, kind: Kind, records: Records) -> None:
    base, name = f"{prefix}/{kind.name}", kind.name

    def answer(result: tuple[Image, int]) -> Response:
        image, status = result
        body = shown(kind, image, records.sealer, today=today(records.clock))
        if not visible(kind, image, current_principal(), records.find):
            body = {name: body[name] for name in FIRST}
        response = json_response(body, status, etag=image["version"])
        if status == 201:
            response.headers["Location"] = f"{base}/{image['id']}"
        return response

    @access(*EVERYONE)
    def create() -> Response:
        body = read_object()
        return answer(records.create(kind, body, current_principal(), once(records, body)))

    @access(*EVERYONE)
    def listing() -> Response:
        return json_response(page(records, kind))

    @access(*EVERYONE)
    def read(record_id: str) -> Response:
        image, day = records.get(kind, record_id, current_principal()), _day("as_of")
        note_look(records, kind, image)
        return json_response(shown(kind, image, records.sealer, day, today(records.clock)), etag=image["version"])

    @access(*EVERYONE)
    def amend(record_id: str) -> Response:
        body, version = read_object(), if_match()
        return answer(records.amend(kind, record_id, body, version, current_principal(), once(records, body)))

    @access(*EVERYONE)
    def history(record_id: str) -> Response:
        return json_response({"items": versions(records, kind, record_id), "next": None})

    @access(*EVERYONE)
    def transitions(record_id: str) -> Response:
        image = records.get(kind, record_id, current_principal())
        return json_response({"state": image["state"], "past": image.get("hands") or [], "next": ahead(kind, image, current_principal())})

    @access(*EVERYONE)
    def take(record_id: str) -> Response:
        body, version = read_object(), if_match()
        return answer(records.transition(kind, record_id, transition_of(body), version, current_principal(), once(records, body)))

    about = Description(operations_of(app), kind)
    one, once_only = f"{base}/<record_id>", [IDEMPOTENCY_KEY]
    changing = {"answer": about.record, "headers": VERSION, "refusals": CHANGES, "parameters": [IF_MATCH, IDEMPOTENCY_KEY]}
    routes: list[tuple[str, str, str, Callable[..., Response], str, dict[str, Any]]] = [
        (base, "POST", "create", create, "新增", {"body": about.posted(), "answer": about.record, "status": 201, "refusals": CREATES,
                                                  "headers": VERSION | PLACE, "parameters": once_only}),
        (base, "GET", "list", listing, "列表", {"answer": about.page, "parameters": about.query(), "refusals": (*ASKS, 422)}),
        (one, "GET", "read", read, "读取", {"answer": about.record, "headers": VERSION, "parameters": [AS_OF], "refusals": (*FINDS, 422)}),
        (one, "PATCH", "amend", amend, "修改", changing | {"bodies": dict.fromkeys(PATCHES, about.patched())}),
        (f"{one}/history", "GET", "history", history, "全部版本", {"answer": about.versions}),
        (f"{one}/transitions", "GET", "transitions", transitions, "可办事项", {"answer": AHEAD}),
        (f"{one}/transitions", "POST", "take", take, "办理", changing | {"body": about.step()}),
    ]
    for path, method, verb, view, summary, said in routes:
        app.add_url_rule(path, f"{name}.{verb}", view, methods=[method])
        told = said | {"parameters": [*in_path(path), *said.get("parameters", ())]}
        document(app, path_of(path), method, f"{kind.title or name}: {summary}", tag=name, **told)


def note_look(records: Records, kind: Kind, image: Image) -> None:
    """Staff who open a record with personal fields leave a line before they see it; an owner sees its own."""
    principal, route = current_principal(), request.url_rule
    if image.get("sealed") and not mine(kind, image, principal) and route is not None:
        records.access_log.note_look(
            principal, method=request.method, route=route.rule, kind=kind.name, record_id=image["id"], fields=list(image["sealed"]),
        )


def once(records: Records, body: Image) -> Once | None:
    """The request's Idempotency-Key with what it came with: method, path and body."""
    return once_of(records, idempotency_key(), f"{request.method} {request.path} {json.dumps(body, sort_keys=True)}".encode())


def transition_of(body: Image) -> Request:
    """A transition's body. Raises Invalid naming every fault."""
    faults = [Fault(f"/{name}", "unknown", "未知字段 unknown field") for name in body if name not in REQUEST_FIELDS]
    faults += [
        Fault(f"/{name}", "type", "文本 text is wanted") for name in REQUEST_FIELDS - NOT_TEXT
        if body.get(name) is not None and not isinstance(body[name], str)
    ]
    if not body.get("action"):
        faults.append(Fault("/action", "required", "必填 required"))
    if body.get("accreditation") is not None and not isinstance(body["accreditation"], dict):
        faults.append(Fault("/accreditation", "type", "an object is wanted"))
    amount = body.get("amount_fen")
    if amount is not None and (type(amount) is not int or not 0 <= amount <= MOST_FEN):
        faults.append(Fault("/amount_fen", "type", "金额应为非负整数分 integer fen"))
    days = body.get("working_days")
    if days is not None and (type(days) is not int or not 1 <= days <= LONGEST_NOTICE):
        faults.append(Fault("/working_days", "type", f"工作日数 1–{LONGEST_NOTICE} working days"))
    faults += _named_faults(body.get("faults"))
    if body.get("effective_on") is None or isinstance(body["effective_on"], str):  # else its type is a fault already
        faults += day_faults(body.get("effective_on"))
    if faults:
        raise Invalid("the transition has faults", faults=faults)
    return Request(**body)


def _named_faults(given: Any) -> list[Fault]:
    """What is wrong with the faults that a return names: `[{pointer, message}]`."""
    if given is None:
        return []
    if not isinstance(given, list) or not 1 <= len(given) <= MOST_FAULTS:
        return [Fault("/faults", "type", f"列表 a list of 1 to {MOST_FAULTS} {{pointer, message}} is wanted")]
    return [
        Fault(f"/faults/{n}", "type", "{pointer: /字段, message: 1–500字} is wanted") for n, fault in enumerate(given)
        if not isinstance(fault, dict) or fault.keys() != {"pointer", "message"} or not isinstance(fault["pointer"], str)
        or not fault["pointer"].startswith("/") or not isinstance(fault["message"], str) or not 1 <= len(fault["message"].strip()) <= 500
    ]


def _day(name: str) -> str | None:
    text = request.args.get(name)
    if text is None:
        return None
    try:
        return (parse_instant(text.replace(" ", "+")).date() if "T" in text else calendar_day(text)).isoformat()
    except (ValueError, OverflowError):
        raise Invalid(f"{name} must be a day", faults=[Fault("", name, "YYYY-MM-DD")]) from None


def versions(records: Records, kind: Kind, record_id: str) -> list[Image]:
    """Every version of a record, oldest first. Raises NotFound."""
    records.open(kind, record_id, current_principal())
    changes = list(records.database.changes.find({"kind": kind.name, "record_id": record_id}).sort("version", 1))
    if not changes:
        raise NotFound(f"no {kind.name} {record_id}")
    before: Image = {}
    lines = []
    for change in changes:
        lines.append(version_of(change, before))
        before = change["after"]
    return lines
