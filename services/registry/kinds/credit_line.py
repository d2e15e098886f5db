"""科技企业授信: 授信额度, not the loan balance (C.11)."""

from __future__ import annotations

from shared.records.document import Record
from shared.records.endings import of_fact
from shared.records.fields import CreditCode, Day, Fen, Text
from shared.records.kind import Kind, RecordSchema, refuse, same_keys
from shared.records.workflow import Context, Image, fact_workflow


class CreditLine(Record):
    """A credit line."""

    meta = {"collection": "credit_lines"}


class CreditLineSchema(RecordSchema):
    """A credit line. Its own fields."""

    uscc = CreditCode(required=True, metadata={"description": "统一社会信用代码"})
    bank = Text(required=True, metadata={"description": "银行"})
    amount_fen = Fen(required=True, metadata={"description": "授信额度, 分"})
    valid_from = Day(required=True, metadata={"description": "起"})
    valid_to = Day(required=True, metadata={"description": "止, exclusive"})


def prepare(image: Image, old: Image | None, context: Context) -> None:
    """A line ends after it began."""
    if image["valid_to"] <= image["valid_from"]:
        raise refuse("/valid_to", "order", "止须晚于起 valid_to must be after valid_from")


KIND = Kind(
    "credit-lines",
    "credit-line",
    CreditLine,
    CreditLineSchema(),
    fact_workflow(),
    same_keys("uscc"),
    "授信额度",
    prepare=prepare,
    first_day="valid_from",
    identity=("uscc", "bank", "valid_from"),
    ends=of_fact("valid_to"),
)
