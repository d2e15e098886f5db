"""Routes of bulk import: hand in a file, follow it, fetch the result file and the templates."""

from __future__ import annotations

from collections.abc import Iterator
from typing import IO

from flask import Flask, Response, request

from shared.auth.roles import Role
from shared.auth.web import access, current_principal
from shared.errors import Fault, Forbidden, Invalid
from shared.records.description import JOB
from shared.records.imports import Imports
from shared.records.intake import template
from shared.records.intake.files import MEDIA, file_type
from shared.records.kind import Kind
from shared.records.write import Records
from shared.web.json import idempotency_key, json_response
from shared.web.openapi import (
    ASKS,
    BYTES,
    FINDS,
    IDEMPOTENCY_KEY,
    SENDS,
    TEXT,
    document,
    in_path,
    in_query,
    obj,
    one_of,
    path_of,
)

LARGEST_FILE_BYTES = 64 * 1024 * 1024
PIECE_BYTES = 64 * 1024
EVERYONE = tuple(set(Role) - {Role.SYSADMIN})
TRUE, FALSE = ("1", "true", "yes"), ("", "0", "false", "no")
SWITCH = one_of(*TRUE, *FALSE)


def mount_imports(app: Flask, prefix: str, records: Records, imports: Imports) -> None:
    """The routes of every kind."""
    for kind in records.kinds.values():
        _mount(app, f"{prefix}/{kind.name}", kind, records, imports)


def _mount(app: Flask, base: str, kind: Kind, records: Records, imports: Imports) -> None:
    @access(*EVERYONE)
    def submit() -> Response:
        request.max_content_length = LARGEST_FILE_BYTES
        principal, mode, key = current_principal(), _mode(), idempotency_key()
        imports.check_may(kind, mode, principal)
        upload = next(iter(request.files.values()), None)
        type_of_file = file_type(upload.mimetype if upload else request.mimetype, upload.filename if upload else None)
        pieces = _pieces(upload.stream if upload else request.stream)
        return json_response({"id": imports.submit(kind, pieces, type_of_file, mode, principal, key)}, 202)

    @access(*EVERYONE)
    def follow(job_id: str) -> Response:
        return json_response(imports.show(kind, job_id, current_principal()))

    @access(*EVERYONE)
    def result(job_id: str) -> Response:
        principal, whole = current_principal(), _flag("personal")
        job = imports.find(kind, job_id, principal)
        if whole and job["actor"] != principal.actor:
            raise Forbidden("only who uploaded the file gets its personal values back")
        if whole and kind.personal and request.url_rule is not None:
            records.access_log.note_look(
                principal, method="GET", route=request.url_rule.rule, kind=kind.name, record_id=job_id, fields=kind.personal,
            )
        return _file(imports.result(job, whole=whole), job["type"], f"{kind.name}.result.{job['type']}")

    @access(*EVERYONE)
    def as_csv() -> Response:
        return _file(template.as_csv(kind), "csv", f"{kind.name}.csv")

    @access(*EVERYONE)
    def as_xlsx() -> Response:
        return _file(template.as_xlsx(kind), "xlsx", f"{kind.name}.xlsx")

    job = {"parameters": in_path("<job_id>")}
    upload_ = {"multipart/form-data": obj({"file": BYTES}), **dict.fromkeys(MEDIA.values(), BYTES)}
    asks = {"parameters": [in_query("dry_run", SWITCH), in_query("lookup", SWITCH), IDEMPOTENCY_KEY], "bodies": upload_, "status": 202}
    whole = [*in_path("<job_id>"), in_query("personal", SWITCH, "the personal values of the upload too, for who uploaded it")]
    for path, name, view, method, summary, said in (
        ("import", "import", submit, "POST", "导入文件", asks | {"answer": obj({"id": TEXT}), "refusals": (*SENDS, 409)}),
        ("imports/<job_id>", "imports", follow, "GET", "导入进度", job | {"answer": JOB}),
        ("imports/<job_id>/result", "import_result", result, "GET", "导入结果文件",
         {"parameters": whole, "answers": MEDIA.values(), "refusals": (*FINDS, 422)}),
        ("template.csv", "template_csv", as_csv, "GET", "填报模板 CSV", {"answers": [MEDIA["csv"]], "refusals": ASKS}),
        ("template.xlsx", "template_xlsx", as_xlsx, "GET", "填报模板 XLSX", {"answers": [MEDIA["xlsx"]], "refusals": ASKS}),
    ):
        app.add_url_rule(f"{base}/{path}", f"{kind.name}.{name}", view, methods=[method])
        document(app, path_of(f"{base}/{path}"), method, f"{kind.title or kind.name}: {summary}", tag=kind.name, **said)


def _mode() -> str:
    dry, look = _flag("dry_run"), _flag("lookup")
    if dry and look:
        raise Invalid("dry_run or lookup, not both", faults=[Fault("/lookup", "not_both", "二者选一 one of the two")])
    return "lookup" if look else "dry_run" if dry else "import"


def _flag(name: str) -> bool:
    text = request.args.get(name, "").lower()
    if text not in (*TRUE, *FALSE):
        raise Invalid(f"{name} is true or false", faults=[Fault(f"/{name}", "not_a_truth", "true 或 false")])
    return text in TRUE


def _pieces(stream: IO[bytes]) -> Iterator[bytes]:
    while piece := stream.read(PIECE_BYTES):
        yield piece


def _file(body: bytes | Iterator[bytes], type_of_file: str, name: str) -> Response:
    charset = "; charset=utf-8" if type_of_file == "csv" and isinstance(body, bytes) else ""
    return Response(body, content_type=MEDIA[type_of_file] + charset, headers={"Content-Disposition": f'attachment; filename="{name}"'})
