"""The platforms under public notice (公示), for everybody, and objections to them, by whoever is signed in (D.2)."""

from __future__ import annotations

from datetime import date

from flask import Flask, Response

from services.registry.kinds.platform import ANYBODY
from services.registry.kinds.public_notice import over
from shared.auth.web import access, current_principal, public
from shared.clock import today
from shared.errors import Fault, Invalid, NotFound, StaleVersion
from shared.records.blueprint import once
from shared.records.image import from_store
from shared.records.once import Once
from shared.records.workflow import Image, Request
from shared.records.write import Records
from shared.standards.workdays import end_of
from shared.web.json import json_response, read_object
from shared.web.openapi import ASKS, CREATES, DAY, IDEMPOTENCY_KEY, INTEGER, TEXT, document, in_path, items_of, obj, path_of

PLATFORMS, POSTED = "platforms", "publicity"
SHOWN = ("id", "name", "platform_kind", "town_code", "host_uscc", "cluster_code", "proposed_accreditation")
NOTICE = obj({"id": TEXT, "name": TEXT, "from": DAY, "until": DAY, "working_days": INTEGER})
OBJECTION = obj({"reason": {"type": "string", "minLength": 1}}, additionalProperties=False)
OBJECTED = obj({"id": TEXT, "state": TEXT})
LONGEST_CACHE_S = 300
MOST_LISTED = 1_000
TRIES = 5


def mount_publicity(app: Flask, records: Records) -> None:
    """`GET /registry/v1/publicity` and `POST /registry/v1/publicity/{id}/objections`."""

    @public
    def publicity() -> Response:
        now = today(records.clock)
        found = records.database[PLATFORMS].find({"state": POSTED}).sort("_id", 1).limit(MOST_LISTED)
        standing = [image for image in map(from_store, found) if not over(image, now)]
        answer = json_response({"items": [_line(image) for image in standing], "next": None})
        ends = (end_of(date.fromisoformat(image["publicity"]["until"])) - records.clock.now() for image in standing)
        left = [max(int(until.total_seconds()), 0) for until in ends]
        answer.headers["Cache-Control"] = f"public, max-age={min([LONGEST_CACHE_S, *left])}, must-revalidate"
        return answer

    @access(*ANYBODY)
    def object_(record_id: str) -> Response:
        body = read_object()
        image = _objected(records, record_id, _reason(body), once(records, body))
        return json_response({"id": record_id, "state": image["state"]}, 201)

    base = f"/{records.service}/v1/publicity"
    app.add_url_rule(base, "publicity", publicity)
    app.add_url_rule(f"{base}/<record_id>/objections", "publicity.object", object_, methods=["POST"])
    document(app, base, "get", "公示中的创新平台, 期满即撤", tag=POSTED, answer=items_of(NOTICE), public=True, refusals=ASKS)
    document(app, path_of(f"{base}/<record_id>/objections"), "post", "对公示提出异议", tag=POSTED, status=201, answer=OBJECTED,
             body=OBJECTION, parameters=[*in_path("<record_id>"), IDEMPOTENCY_KEY], refusals=(*CREATES, 404, 412))


def _line(image: Image) -> Image:
    shown = {name: image[name] for name in SHOWN if image.get(name) is not None}
    return shown | {name: image["publicity"][name] for name in ("from", "until", "working_days")}


def _objected(records: Records, record_id: str, reason: str, key: Once | None) -> Image:
    """An objection to the notice as it stands: who objects has seen a list and knows of no version."""
    kind = records.kinds[PLATFORMS]
    for attempt in range(TRIES):
        image = records.find(PLATFORMS, record_id)
        if image is None or (image["state"] != POSTED and key is None):  # with a key it may have been told already
            break
        try:
            return records.transition(kind, record_id, Request("object", reason=reason), image["version"], current_principal(), key)[0]
        except StaleVersion:
            if attempt == TRIES - 1:
                raise
    raise NotFound("没有该公示 no such notice")


def _reason(body: Image) -> str:
    faults = [Fault(f"/{name}", "unknown", "未知字段 unknown field") for name in body if name != "reason"]
    reason = body.get("reason")
    if not isinstance(reason, str) or not reason.strip():
        faults.append(Fault("/reason", "required", "必须说明理由 a reason is needed"))
    if faults:
        raise Invalid("the objection has faults", faults=faults)
    return str(reason)
