"""The bank's two files, CSV in UTF-8 with a header; docs/awards.md describes them.

Out: payment_no, account_holder, bank, account_number, amount_yuan (two decimals), purpose.
Back: payment_no, result (ok or failed), receipt_no, paid_on, reason.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from marshmallow import ValidationError

from shared.errors import Fault, Invalid
from shared.records.fields import Day
from shared.records.intake.files import titled
from shared.records.workflow import Image

OUT = ("payment_no", "account_holder", "bank", "account_number", "amount_yuan", "purpose")
BACK = ("payment_no", "result", "receipt_no", "paid_on", "reason")
RESULTS = {"ok": True, "成功": True, "failed": False, "失败": False}
FORMULA = ("=", "+", "-", "@")  # a spreadsheet would run a text that begins so


@dataclass(frozen=True)
class Result:
    """What the bank says of one payment."""

    row: int
    payment_no: str
    paid: bool
    receipt_no: str | None
    paid_on: str | None
    reason: str | None


def written(lines: Iterable[Image]) -> bytes:
    """The file for the bank: payment number, account and amount of each line."""
    out = io.StringIO()
    table = csv.writer(out, lineterminator="\r\n")
    table.writerow(OUT)
    for line in lines:
        yuan = f"{line['amount_fen'] // 100}.{line['amount_fen'] % 100:02d}"
        cells = [line["payment_no"], line["holder"], line["bank"], line["number"], yuan, line["purpose"]]
        table.writerow([f"'{cell}" if str(cell).startswith(FORMULA) else cell for cell in cells])
    return b"\xef\xbb\xbf" + out.getvalue().encode()


def read(data: bytes) -> tuple[list[Result], list[Image]]:
    """The rows of the bank's answer, and those that cannot be read with their reasons. Raises Invalid when it is no table."""
    results: list[Result] = []
    refused: list[Image] = []
    rows = list(titled("csv", io.BytesIO(data)))
    if not any({"payment_no", "result"} & row.keys() for _, row in rows):
        raise Invalid("the file has no columns payment_no and result", faults=[Fault("", "columns", ", ".join(BACK))])
    for number, row in rows:
        wrong = list(_faults(row))
        if wrong:
            refused += [{"row": number, "column": column, "code": "invalid", "message": why} for column, why in wrong]
            continue
        text = {name: str(row[name]).strip() if row.get(name) is not None else None for name in BACK}
        results.append(Result(number, str(text["payment_no"]), RESULTS[str(text["result"]).lower()], text["receipt_no"],
                              text["paid_on"], text["reason"]))
    return results, refused


def _faults(row: Image) -> Iterator[tuple[str, str]]:
    result = str(row.get("result") or "").strip().lower()
    if not row.get("payment_no"):
        yield "payment_no", "必填 required"
    if result not in RESULTS:
        yield "result", "ok 或 failed"
    elif RESULTS[result] and not row.get("receipt_no"):
        yield "receipt_no", "成功须有回单号 a paid line has its receipt"
    elif not RESULTS[result] and not row.get("reason"):
        yield "reason", "失败须有原因 a failed line has its reason"
    if row.get("paid_on"):
        try:
            Day().deserialize(str(row["paid_on"]))
        except ValidationError:
            yield "paid_on", "YYYY-MM-DD"
