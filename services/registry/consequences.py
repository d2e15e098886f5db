"""What rests on a record: `GET /registry/v1/{kind}/{id}/consequences`, for whoever ends it or follows its end.

The event of an ending says by itself which subject it concerns (`partitionkey`) and from which day (`data.ends_on`); awards
that rested on it are found by the incentives service. This list names the registry's own records: what stands on the
record, and what may stand in for it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from flask import Flask, Response

from shared.auth.principal import Principal
from shared.auth.web import access, current_principal
from shared.mongo import Document
from shared.records.access import visible
from shared.records.blueprint import EVERYONE
from shared.records.image import collection_of, from_store
from shared.records.kind import Kind
from shared.records.workflow import Image
from shared.records.write import Records
from shared.web.json import json_response
from shared.web.openapi import FLAG, TEXT, document, in_path, items_of, maybe, obj, path_of

TEXTS = {"type": "array", "items": TEXT}
RESTING = obj({"kind": TEXT, "id": TEXT, "state": TEXT, "counts": FLAG, "why": TEXT}, ["kind", "id", "state", "counts"])
ENDED = obj({"id": TEXT, "kind": TEXT, "version": {"type": "integer"}, "state": TEXT, "ends_on": maybe(TEXT)})
MOST = 1_000  # of one kind: more than any enterprise of a district has
SHOWN = ("id", "version", "state", "name", "ends_on")


@dataclass(frozen=True)
class Rest:
    """Records of `kind` rest on another when their `field` is the other's `of`."""

    kind: str
    field: str
    of: str
    why: str


QUALIFIED = "由高新技术企业直接确认的入库资格须复核 direct recognition by a certificate is looked at again (C.7)"
STOOD = "所依托的平台 stands on the platform"
OF_FIRM = "属该企业 of the enterprise"
RESTS: dict[str, tuple[Rest, ...]] = {
    "platforms": (Rest("rd-units", "platform_id", "id", STOOD),),
    "hnte-certificates": (Rest("tech-sme-entries", "uscc", "uscc", QUALIFIED),),
}


def mount_consequences(app: Flask, records: Records) -> None:
    """Add the route to every kind whose records can end."""
    for kind in records.kinds.values():
        if kind.ends is not None:
            _mount(app, records, kind)


def _mount(app: Flask, records: Records, kind: Kind) -> None:
    @access(*EVERYONE)
    def consequences(record_id: str) -> Response:
        principal = current_principal()
        image = records.get(kind, record_id, principal)
        ended = {name: image.get(name) for name in ("id", "version", "state", "ends_on")} | {"kind": kind.name}
        return json_response({
            "record": ended, "subjects": list(kind.subject_keys(image)), "items": list(_resting(records, kind, image, principal)),
            "stand_ins": list(_stand_ins(records, kind, image, principal)), "next": None,
        })

    base = f"/{records.service}/v1/{kind.name}"
    app.add_url_rule(f"{base}/<record_id>/consequences", f"{kind.name}.consequences", consequences)
    document(app, path_of(f"{base}/<record_id>/consequences"), "get", f"{kind.title}: 影响", tag=kind.name,
             parameters=in_path("<record_id>"), answer=items_of(RESTING, record=ENDED, subjects=TEXTS, stand_ins={"type": "array", "items": RESTING}))


def _resting(records: Records, kind: Kind, image: Image, principal: Principal) -> Iterator[Document]:
    for rest in _rests(records, kind):
        yield from _found(records, rest.kind, {rest.field: image.get(rest.of)}, principal, rest.why)


def _rests(records: Records, kind: Kind) -> Iterator[Rest]:
    yield from RESTS.get(kind.name, ())
    if kind.name == "enterprises":
        for other in records.kinds.values():
            for field in other.owner_fields if other.name not in (kind.name, "claims") else ():
                yield Rest(other.name, field, "id", OF_FIRM)


def _stand_ins(records: Records, kind: Kind, image: Image, principal: Principal) -> Iterator[Document]:
    """Other counting records of the same kind and enterprise, which may carry on what this one carried."""
    for field in kind.owner_fields if kind.name != "enterprises" else ():
        query = {field: image.get(field), "state": {"$in": sorted(kind.workflow.counting)}, "_id": {"$ne": image["id"]}}
        if image.get(field):
            yield from _found(records, kind.name, query, principal, None)


def _found(records: Records, name: str, query: Document, principal: Principal, why: str | None) -> Iterator[Document]:
    kind = records.kinds[name]
    for stored in records.database[collection_of(kind)].find(query).sort("_id", 1).limit(MOST):
        image = from_store(stored)
        if visible(kind, image, principal, records.find):
            shown = {"kind": name} | {field: image.get(field) for field in SHOWN if field in image}
            yield shown | {"counts": kind.counts(image["state"])} | ({"why": why} if why else {})
