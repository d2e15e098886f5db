"""企业研发机构: self-declared or standing on an accredited platform (C.12)."""

from __future__ import annotations

from shared.records.document import Record
from shared.records.endings import of_fact
from shared.records.fields import CreditCode, Day, Text
from shared.records.kind import Kind, RecordSchema, refuse, same_keys
from shared.records.workflow import Context, Image, fact_workflow


class RdUnit(Record):
    """An R&D unit."""

    meta = {"collection": "rd_units"}


class RdUnitSchema(RecordSchema):
    """An R&D unit. Its own fields."""

    uscc = CreditCode(required=True, metadata={"description": "统一社会信用代码"})
    name = Text(required=True, metadata={"description": "名称"})
    valid_from = Day(required=True, metadata={"description": "起"})
    valid_to = Day(metadata={"description": "止, exclusive"})
    platform_id = Text(metadata={"description": "所依托平台, same host"})


def prepare(image: Image, old: Image | None, context: Context) -> None:
    """A unit ends after it began; the platform it names exists and has the same host."""
    if image.get("valid_to") and image["valid_to"] <= image["valid_from"]:
        raise refuse("/valid_to", "order", "止须晚于起 valid_to must be after valid_from")
    if image.get("platform_id"):
        platform = context.find("platforms", image["platform_id"])
        if platform is None or platform.get("host_uscc") != image["uscc"]:
            raise refuse("/platform_id", "other_host", "平台不存在或依托单位不同 no such platform of this host")


KIND = Kind(
    "rd-units",
    "rd-unit",
    RdUnit,
    RdUnitSchema(),
    fact_workflow(),
    same_keys("uscc"),
    "企业研发机构",
    prepare=prepare,
    first_day="valid_from",
    identity=("uscc", "name", "valid_from"),
    indexes=(("platform_id",),),
    ends=of_fact("valid_to"),
)
