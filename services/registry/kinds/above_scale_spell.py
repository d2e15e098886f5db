"""规上工业企业名录: a spell on the statistics bureau's list, never computed from revenue (C.5)."""

from __future__ import annotations

from shared.records.document import Record
from shared.records.endings import of_fact
from shared.records.fields import CreditCode, Month, Text
from shared.records.kind import Kind, RecordSchema, refuse, same_keys
from shared.records.workflow import Context, Image, fact_workflow


class AboveScaleSpell(Record):
    """A spell on the list."""

    meta = {"collection": "above_scale_spells"}


class AboveScaleSpellSchema(RecordSchema):
    """A spell on the list. Its own fields."""

    uscc = CreditCode(required=True, metadata={"description": "统一社会信用代码"})
    from_month = Month(required=True, metadata={"description": "纳统月份"})
    to_month = Month(metadata={"description": "退库月份, exclusive"})
    list_no = Text(metadata={"description": "名录批次"})


def prepare(image: Image, old: Image | None, context: Context) -> None:
    """A spell ends after it began."""
    if image.get("to_month") and image["to_month"] <= image["from_month"]:
        raise refuse("/to_month", "order", "退库月份须晚于纳统月份 to_month must be after from_month")


KIND = Kind(
    "above-scale-spells",
    "above-scale-spell",
    AboveScaleSpell,
    AboveScaleSpellSchema(),
    fact_workflow(),
    same_keys("uscc"),
    "规上企业名录",
    prepare=prepare,
    first_day="from_month",
    identity=("uscc", "from_month"),
    ends=of_fact("to_month"),
)
