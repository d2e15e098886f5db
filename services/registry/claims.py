"""Claiming an enterprise, and the scope that a granted claim gives.

A token says by its `enterprise` claim whom the caller acts for. Besides that, whoever is among an enterprise's `agents` acts
for it: only a granted claim puts anybody there, and the enterprise's history tells when and by whose decision.
"""

from __future__ import annotations

from dataclasses import replace

from flask import Flask, Response

from shared.auth.principal import Principal
from shared.auth.web import access, current_principal
from shared.errors import Fault, Invalid, NotFound
from shared.records.access import ENTERPRISES, visible
from shared.records.blueprint import EVERYONE, once
from shared.records.description import Description
from shared.records.kind import OWNERS
from shared.records.present import shown
from shared.records.write import Records
from shared.web.json import json_response, read_object
from shared.web.openapi import (
    ASKS,
    CREATES,
    IDEMPOTENCY_KEY,
    PLACE,
    VERSION,
    document,
    in_path,
    items_of,
    operations_of,
    path_of,
)

CLAIMS = "claims"
MOST = 500  # of one enterprise


def mount_claims(app: Flask, records: Records) -> None:
    """`POST` and `GET /registry/v1/enterprises/{uscc}/claims`; a claim is decided on like any record: `/claims/{id}/transitions`."""
    base, kind = f"/{records.service}/v1", records.kinds[CLAIMS]

    @access(*OWNERS)
    def claim(record_id: str) -> Response:
        body = read_object()
        if body.get("uscc") not in (None, record_id):
            raise Invalid("the claim names another enterprise", faults=[Fault("/uscc", "mismatch", "与路径不符")])
        if records.find(ENTERPRISES, record_id) is None:
            raise NotFound("该企业尚未登记 no such enterprise is registered")
        image, status = records.create(kind, body | {"uscc": record_id}, current_principal(), once(records, body))
        answer = json_response(shown(kind, image, records.sealer), status, etag=image["version"])
        answer.headers["Location"] = f"{base}/{CLAIMS}/{image['id']}"
        return answer

    @access(*EVERYONE)
    def claims(record_id: str) -> Response:
        principal = current_principal()
        found = records.context(principal).work.matching(CLAIMS, {"uscc": record_id}, limit=MOST)
        seen = [shown(kind, image, records.sealer) for image in found if visible(kind, image, principal, records.find)]
        return json_response({"items": seen, "next": None})

    app.extensions["widen"] = lambda principal: with_agencies(records, principal)
    about = Description(operations_of(app), kind)
    rule = f"{base}/{ENTERPRISES}/<record_id>/claims"
    made = {"body": about.posted(said=("uscc",)), "answer": about.record, "status": 201, "headers": VERSION | PLACE, "refusals": (*CREATES, 404)}
    listed = {"answer": items_of(about.record), "refusals": ASKS}
    for method, view, summary, said in (("POST", claim, "认领企业", made), ("GET", claims, "企业认领列表", listed)):
        app.add_url_rule(rule, f"{ENTERPRISES}.{view.__name__}", view, methods=[method])
        parameters = [*in_path(rule), *([IDEMPOTENCY_KEY] if method == "POST" else [])]
        document(app, path_of(rule), method, summary, tag=CLAIMS, parameters=parameters, **said)


def with_agencies(records: Records, principal: Principal) -> Principal:
    """The caller with the enterprises that granted claims gave it."""
    if not principal.has(*OWNERS):
        return principal
    found = records.database[ENTERPRISES].find({"agents": principal.actor}, {"_id": 1})
    return replace(principal, granted=frozenset(each["_id"] for each in found))
