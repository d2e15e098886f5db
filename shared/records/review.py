"""What a reviewer of a file that came back must look at: only what changed since it was returned.

`GET /{kind}/{id}/changes[?since=VERSION]` compares the record with an earlier version; without `since` with the one that was
returned last, or with nothing where the file was never returned. What personal fields said before is kept nowhere: of
them only the names are told.
"""

from __future__ import annotations

from flask import Flask, Response, request

from shared.auth.principal import Principal
from shared.auth.web import access, current_principal
from shared.errors import Fault, Invalid
from shared.records.blueprint import EVERYONE
from shared.records.image import event_data
from shared.records.kind import ATTACHED, Kind
from shared.records.listing import number_of
from shared.records.present import difference
from shared.records.workflow import Image
from shared.records.write import Records
from shared.web.json import json_response
from shared.web.openapi import FINDS, INTEGER, TEXT, document, in_path, in_query, maybe, obj, path_of

RETURN = "return"
CHANGED = obj({
    "id": TEXT, "since": INTEGER, "version": INTEGER, "state": TEXT, "personal": {"type": "array", "items": TEXT},
    "returned": maybe(obj({"reason": maybe(TEXT), "faults": {"type": "array", "items": obj({"pointer": TEXT, "message": TEXT})}})),
    "changed": {"type": "object", "additionalProperties": obj({"from": {}, "to": {}})},
})


def mount_review(app: Flask, records: Records) -> None:
    """The route of every kind."""
    for kind in records.kinds.values():
        _mount(app, records, kind)


def _mount(app: Flask, records: Records, kind: Kind) -> None:
    @access(*EVERYONE)
    def changes(record_id: str) -> Response:
        since = number_of("since", 0, 10**9) if "since" in request.args else None
        return json_response(changed_since(records, kind, record_id, since, current_principal()))

    base = f"/{records.service}/v1/{kind.name}"
    app.add_url_rule(f"{base}/<record_id>/changes", f"{kind.name}.changes", changes)
    since = in_query("since", {"type": "integer", "minimum": 1}, "an earlier version")
    document(app, path_of(f"{base}/<record_id>/changes"), "get", f"{kind.title or kind.name}: 退回后的修改", tag=kind.name,
             parameters=[*in_path("<record_id>"), since], answer=CHANGED, refusals=(*FINDS, 422))


def changed_since(records: Records, kind: Kind, record_id: str, since: int | None, principal: Principal) -> Image:
    """`{since, version, state, returned, changed: {field: {from, to}}, personal: [field]}`. Raises NotFound, Invalid."""
    image = records.open(kind, record_id, principal)
    of_record = {"kind": kind.name, "record_id": record_id}
    wanted = {"action": RETURN} if since is None else {"version": since}
    before = records.database.changes.find_one(of_record | wanted, sort=[("version", -1)])
    if before is None and since is not None:
        raise Invalid("no such version", faults=[Fault("", "since", f"1–{image['version']}")])
    version, said = (before["version"], before["after"]) if before else (0, {})
    names = {*kind.schema.fields, ATTACHED} - set(kind.personal)
    changed = {name: pair for name, pair in difference(said, event_data(kind, image)).items() if name in names}
    returned = {"reason": before["reason"], "faults": before.get("faults") or []} if before and since is None else None
    touched: dict[str, int] = image.get("touched") or dict.fromkeys(image.get("sealed") or (), 1)
    return {
        "id": record_id, "since": version, "version": image["version"], "state": image["state"], "returned": returned,
        "changed": changed, "personal": sorted(name for name in kind.personal if touched.get(name, 0) > version),
    }
