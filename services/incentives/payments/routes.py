"""HTTP of payment batches beside what every kind has: the bank's file, and the bank's answer row by row."""

from __future__ import annotations

from typing import Any

from flask import Flask, Response, request

from services.incentives.description import PAYMENTS, SETTLED
from services.incentives.payments import bank_file
from services.incentives.payments.bank_file import Result
from shared.auth.principal import Principal
from shared.auth.roles import Role
from shared.auth.web import access, current_principal
from shared.errors import Fault, KechuangError, RuleBroken
from shared.mongo import transact
from shared.records.image import from_store
from shared.records.workflow import Image, Request
from shared.records.write import Records
from shared.web.json import json_response
from shared.web.openapi import BYTES, FINDS, document, in_path, path_of

BASE = "/incentives/v1/payment-batches/<record_id>"
APPLICATIONS, BATCHES = "applications", "payment-batches"
AT_BANK = frozenset({"released", "settled"})


def mount_payments(app: Flask, records: Records) -> None:
    """Add the routes."""

    @access(Role.TREASURY_OFFICER)
    def file(record_id: str) -> Response:
        batch = _batch(records, record_id, current_principal())
        lines = _lines(records, batch)
        for line in lines:  # every account that leaves in clear is a look, noted before it is shown
            records.access_log.note_look(
                current_principal(), method="GET", route=f"{BASE}/file", kind=APPLICATIONS, record_id=line["application"],
                fields=["account"], purpose="payment", reason=record_id,
            )
        body = bank_file.written(lines)
        headers = {"Content-Disposition": f'attachment; filename="{record_id}.csv"', "Cache-Control": "no-store"}
        return Response(body, content_type="text/csv; charset=utf-8", headers=headers)

    @access(Role.TREASURY_OFFICER)
    def results(record_id: str) -> Response:
        batch = _batch(records, record_id, current_principal())
        return json_response(settle(records, batch, request.get_data(), current_principal()))

    @access(Role.TREASURY_OFFICER, Role.AUDITOR)
    def payments(record_id: str) -> Response:
        batch = records.get(records.kinds[BATCHES], record_id, current_principal())
        return json_response({"items": [_payment(records, line) for line in batch["lines"]], "next": None})

    sent = {"bodies": {"text/csv": BYTES}, "answer": SETTLED, "refusals": (*FINDS, 409, 413, 422)}
    for tail, method, view, summary, said in (
        ("file", "GET", file, "银行代发文件 CSV", {"answers": ["text/csv"], "refusals": (*FINDS, 409)}),
        ("results", "POST", results, "银行回单, 可重复上传", sent),
        ("payments", "GET", payments, "批次各笔状态", {"answer": PAYMENTS}),
    ):
        app.add_url_rule(f"{BASE}/{tail}", f"payments.{tail}", view, methods=[method])
        document(app, path_of(f"{BASE}/{tail}"), method, summary, tag=BATCHES, parameters=in_path(BASE), **said)


def _batch(records: Records, record_id: str, principal: Principal) -> Image:
    """A batch that the second hand released. Raises NotFound, RuleBroken."""
    batch = records.get(records.kinds[BATCHES], record_id, principal)
    if batch["state"] not in AT_BANK:
        raise RuleBroken("批次尚未复核 the batch waits for its second hand")
    return batch


def _lines(records: Records, batch: Image) -> list[Image]:
    """What the bank is to pay: the lines whose payment is still the file's own attempt, the accounts in clear."""
    kind, lines, faults = records.kinds[APPLICATIONS], [], []
    for n, line in enumerate(batch["lines"]):
        application = records.find(APPLICATIONS, line["application"]) or {}
        account = records.unsealed(kind, application).get("account")
        if account is None:
            faults.append(Fault(f"/lines/{n}", "account_missing", f"{line['payment_no']}: 无收款账户 no account"))
            continue
        lines.append({**line, **account, "purpose": application["policy_code"]})
    if faults:
        raise RuleBroken("some payments have no account", faults=faults)
    return lines


def _payment(records: Records, line: Image) -> Image:
    application = records.find(APPLICATIONS, line["application"]) or {}
    found: Image = next((each for each in application.get("payments") or () if each["no"] == line["payment_no"]), {})
    names = ("state", "bank_receipt_no", "bank_reason", "paid_on")
    return line | {name: found.get(name) for name in names}


def settle(records: Records, batch: Image, data: bytes, principal: Principal) -> Image:
    """Apply the bank's answer: each row once, whatever is uploaded again; what nobody knows is listed, never guessed."""
    rows, refused = bank_file.read(data)
    known = {line["payment_no"]: line["application"] for line in batch["lines"]}
    done: Image = {"rows": len(rows) + len({each["row"] for each in refused}), "paid": 0, "failed": 0, "unchanged": 0,
                   "unknown": [], "refused": refused}
    for row in rows:
        if row.payment_no not in known:
            done["unknown"].append({"row": row.row, "payment_no": row.payment_no})
            continue
        try:
            done[_apply(records, known[row.payment_no], row, principal)] += 1
        except KechuangError as wrong:
            if wrong.retriable:
                raise
            message = "; ".join(fault.message for fault in wrong.faults) or wrong.message
            refused.append({"row": row.row, "column": "", "code": wrong.code, "message": message})
    _close(records, batch, principal)
    return done


def _apply(records: Records, application_id: str, row: Result, principal: Principal) -> str:
    """One row in one transaction: paid, failed, or unchanged because it was said before. Raises RuleBroken when it contradicts."""

    def work(_: Any) -> str:
        application = records.find(APPLICATIONS, application_id) or {}
        payment = next((each for each in application.get("payments") or () if each["no"] == row.payment_no), {"state": "unknown"})
        if payment["state"] == ("paid" if row.paid else "failed"):
            if row.paid and payment.get("bank_receipt_no") != row.receipt_no:
                raise RuleBroken("已按另一回单确认 confirmed already under another receipt")
            return "unchanged"
        if payment["state"] != "released":
            raise RuleBroken(f"该笔支付为{payment['state']} the payment is {payment['state']}: a person must look at this row")
        action = "confirm_payment" if row.paid else "fail_payment"
        asked = Request(action, reason=row.reason, doc_no=row.receipt_no, effective_on=row.paid_on if row.paid else None)
        records.context(principal, writes=True).work.step(APPLICATIONS, application_id, asked)
        return "paid" if row.paid else "failed"

    with records.line.turn():
        return transact(records.client, work)


def _close(records: Records, batch: Image, principal: Principal) -> None:
    """The batch is settled when the bank has said something of every line."""
    if any(_payment(records, line)["state"] == "released" for line in batch["lines"]):
        return

    def work(_: Any) -> None:
        found = records.database["payment_batches"].find_one({"_id": batch["id"]})
        if found is not None and from_store(found)["state"] == "released":
            records.context(principal, writes=True).work.step(BATCHES, batch["id"], Request("settle"))

    transact(records.client, work)
