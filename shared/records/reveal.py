"""Personal fields in full: for few roles, with a purpose and a reason, noted before they are shown, so many an hour (D.6)."""

from __future__ import annotations

import re
import time
from datetime import UTC, datetime

from flask import Flask, Response, request
from pymongo import ReturnDocument

from shared.auth.principal import Principal
from shared.auth.roles import Role
from shared.auth.web import access, current_principal
from shared.errors import Fault, Forbidden, Invalid, TooManyRequests
from shared.records.kind import Kind
from shared.records.workflow import Image
from shared.records.write import Records
from shared.standards.codes import members
from shared.web.json import json_response, read_object
from shared.web.openapi import INTEGER, SENDS, TEXT, document, in_path, obj, one_of, path_of

HOUR_S = 3_600
REASON_CHARS = range(4, 501)
REASON = {"type": "string", "minLength": REASON_CHARS.start, "maxLength": REASON_CHARS.stop - 1}
LONG_NUMBER = re.compile(r"\d{6,}")  # a reason is kept in clear: it must not carry what the record seals


class Reveals:
    """What one person may see in an hour, by the machine's clock and over all processes."""

    def __init__(self, records: Records, per_hour: int) -> None:
        self.records, self.per_hour = records, per_hour

    def reveal(self, kind: Kind, record_id: str, body: Image, principal: Principal, route: str) -> Image:
        """The personal fields of a record. Raises Forbidden, NotFound, Invalid, TooManyRequests; a look is noted first."""
        if not principal.has(*kind.revealers):
            raise Forbidden(f"{kind.name} may be revealed to: {', '.join(sorted(kind.revealers))}")
        purpose, reason = stated(body)
        image = self.records.get(kind, record_id, principal)
        self._count(principal)
        self.records.access_log.note_look(
            principal, method="POST", route=route, kind=kind.name, record_id=record_id, fields=sorted(image.get("sealed") or ()),
            purpose=purpose, reason=reason,
        )
        return {"id": record_id, "kind": kind.name, "version": image["version"], **self.records.unsealed(kind, image)}

    def _count(self, principal: Principal) -> None:
        now_s = int(time.time())
        mark = {"$inc": {"n": 1}, "$setOnInsert": {"at": datetime.fromtimestamp(now_s, UTC)}}
        found = self.records.database.reveals.find_one_and_update(
            {"_id": f"{principal.actor}|{now_s // HOUR_S}"}, mark, upsert=True, return_document=ReturnDocument.AFTER
        )
        if found is None or found["n"] > self.per_hour:
            raise TooManyRequests(f"at most {self.per_hour} records an hour 每小时至多{self.per_hour}条", retry_after_s=HOUR_S - now_s % HOUR_S)


def stated(body: Image) -> tuple[str, str]:
    """Purpose and reason of a look. Raises Invalid naming every fault."""
    faults = [Fault(f"/{name}", "unknown", "未知字段 unknown field") for name in body if name not in ("purpose", "reason")]
    purpose, reason = body.get("purpose"), body.get("reason")
    if purpose not in members("reveal_purposes"):
        faults.append(Fault("/purpose", "unknown", f"one of {', '.join(members('reveal_purposes'))}"))
    if not isinstance(reason, str) or len(reason.strip()) not in REASON_CHARS:
        faults.append(Fault("/reason", "required", f"须说明理由, {REASON_CHARS.start}至{REASON_CHARS.stop - 1}字 a reason is needed"))
    elif LONG_NUMBER.search(reason):
        faults.append(Fault("/reason", "personal", "理由中不得出现号码 no long number in a reason"))
    if faults:
        raise Invalid("a look at personal data needs a purpose and a reason", faults=faults)
    return str(purpose), str(reason).strip()


def mount_reveals(app: Flask, records: Records, per_hour: int) -> None:
    """`POST /{kind}/{id}/reveal` for the kinds that name who may."""
    reveals = Reveals(records, per_hour)
    for kind in records.kinds.values():
        if kind.revealers:
            _mount(app, f"/{records.service}/v1/{kind.name}", kind, reveals)


def _mount(app: Flask, base: str, kind: Kind, reveals: Reveals) -> None:
    @access(*(set(Role) - {Role.SYSADMIN}))
    def reveal(record_id: str) -> Response:
        route = request.url_rule.rule if request.url_rule else base
        return json_response(reveals.reveal(kind, record_id, read_object(), current_principal(), route))

    app.add_url_rule(f"{base}/<record_id>/reveal", f"{kind.name}.reveal", reveal, methods=["POST"])
    asked = obj({"purpose": one_of(*members("reveal_purposes")), "reason": REASON}, additionalProperties=False)
    answer = obj({"id": TEXT, "kind": TEXT, "version": INTEGER})
    document(app, path_of(f"{base}/<record_id>/reveal"), "post", f"{kind.title or kind.name}: 查看完整个人信息", tag=kind.name,
             parameters=in_path("<record_id>"), body=asked, answer=answer, refusals=(*SENDS, 404, 429))
