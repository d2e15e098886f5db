"""回避 (S5): who has an interest in a file, declared or plain, takes no step of its review."""

from __future__ import annotations

from typing import Any

from flask import Flask, Response

from shared.auth.principal import Principal
from shared.auth.roles import Role
from shared.auth.web import access, current_principal
from shared.errors import Fault, Forbidden, Invalid
from shared.records.blueprint import once
from shared.records.kind import STAFF, Kind
from shared.records.once import Answer, Once, guarded, remember
from shared.records.workflow import Context, Guard, Image, Request
from shared.records.write import Records
from shared.web.json import json_response, read_object
from shared.web.openapi import CREATES, IDEMPOTENCY_KEY, INTEGER, TEXT, document, in_path, obj, one_of, path_of

INTERESTS = ("employer", "kin", "shareholding", "other")
KINDS = ("enterprises", "platforms", "claims")
DECLARATION = obj({"interest": one_of(*INTERESTS)}, additionalProperties=False)
DECLARED = obj({"id": TEXT, "version": INTEGER, "interests": {"type": "array", "items": obj({"actor": TEXT, "interest": TEXT})}})
OWN_CODES = ("uscc", "host_uscc")


def unbiased(image: Image, request: Request, context: Context) -> None:
    """Raises Forbidden for who declared an interest in the file, and for whose own enterprise it is about."""
    principal = context.principal
    if principal.has(Role.DATA_FEED):
        return
    if principal.actor in {interest["actor"] for interest in image.get("interests") or ()}:
        _refuse("interest_declared", "您已申报利害关系, 应当回避 you declared an interest in this file")
    if principal.enterprises & {image.get(name) for name in OWN_CODES}:
        _refuse("interest_own_enterprise", "本单位事项应当回避 the file is your own enterprise's")


def all_of(*guards: Guard) -> Guard:
    """One guard of several."""

    def check(image: Image, request: Request, context: Context) -> None:
        for guard in guards:
            guard(image, request, context)

    return check


def _refuse(code: str, message: str) -> None:
    raise Forbidden(message, faults=[Fault("/action", code, message)])


def mount_recusal(app: Flask, records: Records) -> None:
    """`POST /registry/v1/{kind}/{id}/interests {interest}`: a declaration stays with the file and is never taken back."""
    for name in KINDS:
        _mount(app, records, records.kinds[name])


def _mount(app: Flask, records: Records, kind: Kind) -> None:
    @access(*STAFF)
    def declare(record_id: str) -> Response:
        body, principal = read_object(), current_principal()
        interest = _interest(body)
        records.get(kind, record_id, principal)
        return json_response(_declared(records, kind, record_id, interest, principal, once(records, body)), 201)

    base = f"/{records.service}/v1/{kind.name}"
    app.add_url_rule(f"{base}/<record_id>/interests", f"{kind.name}.interests", declare, methods=["POST"])
    document(app, path_of(f"{base}/<record_id>/interests"), "post", f"{kind.title}: 申报利害关系并回避", tag=kind.name, status=201,
             parameters=[*in_path("<record_id>"), IDEMPOTENCY_KEY], body=DECLARATION, answer=DECLARED, refusals=(*CREATES, 404))


def _declared(
    records: Records, kind: Kind, record_id: str, interest: str, principal: Principal, key: Once | None
) -> Image:
    def note(image: Image) -> None:
        known = image.get("interests") or []
        if principal.actor not in {each["actor"] for each in known}:
            image["interests"] = [*known, {"actor": principal.actor, "interest": interest}]

    def work(_: Any) -> Answer:
        image = records.context(principal, writes=True).work.change(kind.name, record_id, note, "declare_interest", reason=interest)
        told = {name: image[name] for name in ("id", "version", "interests")}
        remember(records, key, told, principal)
        return told, 201

    return guarded(records, work, key, principal, "this interest is declared already")[0]


def _interest(body: Image) -> str:
    faults = [Fault(f"/{name}", "unknown", "未知字段 unknown field") for name in body if name != "interest"]
    if body.get("interest") not in INTERESTS:
        faults.append(Fault("/interest", "unknown", f"one of {', '.join(INTERESTS)}"))
    if faults:
        raise Invalid("the declaration has faults", faults=faults)
    return str(body["interest"])
