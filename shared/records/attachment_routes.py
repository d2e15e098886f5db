"""Routes of attachments: hand in a file, list, fetch and take off.

What is served is never shown by a browser inside our pages: it is downloaded, its type is what its content is, and even
opened by hand it may run nothing and ask for nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from flask import Flask, Response, request

from shared.auth.web import access, current_principal
from shared.errors import Fault, Invalid
from shared.records.access import mine
from shared.records.attachments import FORMATS, LARGEST_BYTES, Attachments
from shared.records.blueprint import EVERYONE
from shared.records.kind import Kind
from shared.web.json import idempotency_key, json_response
from shared.web.openapi import (
    BYTES,
    FINDS,
    IDEMPOTENCY_KEY,
    INSTANT,
    INTEGER,
    PLACE,
    SENDS,
    TEXT,
    document,
    in_path,
    in_query,
    items_of,
    obj,
    one_of,
    path_of,
)

PIECE_BYTES = 64 * 1024
FORM_BYTES = 64 * 1024  # what a multipart form may add to a file
ENTRY = obj({"id": TEXT, "purpose": TEXT, "media_type": one_of(*FORMATS), "size_bytes": INTEGER, "sha256": TEXT, "at": INSTANT})
SAFE = {
    "X-Content-Type-Options": "nosniff", "Content-Security-Policy": "default-src 'none'; sandbox", "Cache-Control": "private, no-store",
    "Cross-Origin-Resource-Policy": "same-origin",
}


def mount_attachments(app: Flask, attachments: Attachments) -> None:
    """The routes of every kind to which something may be attached."""
    for kind in attachments.records.kinds.values():
        if kind.attaches:
            _mount(app, kind, attachments)


def _mount(app: Flask, kind: Kind, attachments: Attachments) -> None:
    records = attachments.records

    @access(*EVERYONE)
    def attach(record_id: str) -> Response:
        request.max_content_length = LARGEST_BYTES + FORM_BYTES
        principal = current_principal()
        records.get(kind, record_id, principal)  # before the body is read
        told, purpose, pieces = _upload()
        entry = attachments.add(kind, record_id, purpose, told, pieces, principal, idempotency_key())
        answer = json_response(entry, 201)
        answer.headers["Location"] = f"{base}/{record_id}/attachments/{entry['id']}"
        return answer

    @access(*EVERYONE)
    def attached(record_id: str) -> Response:
        return json_response({"items": attachments.listed(kind, record_id, current_principal()), "next": None})

    @access(*EVERYONE)
    def fetch(record_id: str, attachment_id: str) -> Response:
        principal = current_principal()
        entry, pieces = attachments.open(kind, record_id, attachment_id, principal)
        image = records.get(kind, record_id, principal)
        if not mine(kind, image, principal):
            records.access_log.note_look(
                principal, method="GET", route=f"{base}/<record_id>/attachments/<attachment_id>", kind=kind.name, record_id=record_id,
                fields=[f"attached/{entry['purpose']}"],
            )
        answer = Response(pieces, content_type=entry["media_type"])
        name = f"{entry['purpose']}-{entry['id']}.{FORMATS[entry['media_type']].ending}"
        answer.headers.update(SAFE | {"Content-Disposition": f'attachment; filename="{name}"', "Content-Length": str(entry["size_bytes"])})
        return answer

    @access(*EVERYONE)
    def detach(record_id: str, attachment_id: str) -> Response:
        attachments.remove(kind, record_id, attachment_id, current_principal())
        return Response(status=204)

    base = f"/{records.service}/v1/{kind.name}"
    many, one = f"{base}/<record_id>/attachments", f"{base}/<record_id>/attachments/<attachment_id>"
    purpose = in_query("purpose", one_of(*kind.attaches), "or a field of the form")
    bodies = {"multipart/form-data": obj({"file": BYTES, "purpose": purpose["schema"]}, ["file"]), **dict.fromkeys(FORMATS, BYTES)}
    handed_in = {"bodies": bodies, "answer": ENTRY, "status": 201, "headers": PLACE, "refusals": (*SENDS, 404, 409),
                 "parameters": [purpose, IDEMPOTENCY_KEY]}
    routes: list[tuple[str, str, str, Callable[..., Response], str, dict[str, Any]]] = [
        (many, "POST", "attach", attach, "提交附件 (PDF, JPEG, PNG)", handed_in),
        (many, "GET", "attached", attached, "附件列表", {"answer": items_of(ENTRY)}),
        (one, "GET", "fetch", fetch, "下载附件", {"answers": FORMATS}),
        (one, "DELETE", "detach", detach, "删除附件", {"answers": (), "status": 204, "refusals": (*FINDS, 409)}),
    ]
    for path, method, verb, view, summary, said in routes:
        app.add_url_rule(path, f"{kind.name}.{verb}", view, methods=[method])
        told = said | {"parameters": [*in_path(path), *said.get("parameters", ())]}
        document(app, path_of(path), method, f"{kind.title or kind.name}: {summary}", tag=kind.name, **told)


def _upload() -> tuple[str, str, Iterator[bytes]]:
    """The type that the client tells, the purpose, and the bytes: of a form's one file, or of the body itself."""
    form = request.mimetype == "multipart/form-data"
    purpose = request.args.get("purpose") or (request.form.get("purpose") if form else None)
    files = list(request.files.values()) if form else []
    faults = [] if purpose else [Fault("/purpose", "required", "须说明用途 its purpose is needed")]
    if form and len(files) != 1:
        faults.append(Fault("/file", "required", "须有且仅有一个文件 exactly one file is needed"))
    if faults or not purpose:
        raise Invalid("the attachment has faults", faults=faults)
    handed_in = files[0] if form else request
    return handed_in.mimetype, purpose, _pieces(handed_in.stream)


def _pieces(stream: object) -> Iterator[bytes]:
    read = getattr(stream, "read")  # noqa: B009 - an IO of either kind
    while piece := read(PIECE_BYTES):
        yield piece
