"""佐证材料: what is attested for qualitative indicators, and for countable ones without a kind of their own."""

from __future__ import annotations

from marshmallow import fields

from shared.auth.roles import Role
from shared.records.document import Record
from shared.records.fields import CreditCode, Day, Text, TownCode
from shared.records.kind import Kind, RecordSchema, same_keys
from shared.records.workflow import fact_workflow


class EvidenceItem(Record):
    """An attested item."""

    meta = {"collection": "evidence_items"}


class EvidenceItemSchema(RecordSchema):
    """An attested item. Its own fields."""

    indicator_id = Text(required=True, metadata={"description": "指标"})
    title = Text(required=True, metadata={"description": "标题"})
    attested_on = Day(required=True, metadata={"description": "认定日期"})
    uscc = CreditCode(metadata={"description": "企业"})
    town_code = TownCode(metadata={"description": "镇街"})
    body = Text(longest=4000, metadata={"description": "说明"})
    attachments = fields.List(Text(), metadata={"description": "附件"})


KIND = Kind(
    "evidence-items",
    "evidence-item",
    EvidenceItem,
    EvidenceItemSchema(),
    fact_workflow(verifiers=(Role.PLAN_OFFICER,)),
    same_keys("id"),
    "佐证材料",
    first_day="attested_on",
    identity=("indicator_id", "title", "attested_on"),
    posters=frozenset({Role.DATA_FEED, Role.PLAN_OFFICER}),
)
