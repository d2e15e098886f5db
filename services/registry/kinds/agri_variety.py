"""优良品种: counted from promoted_on (二(二)3)."""

from __future__ import annotations

from shared.records.document import Record
from shared.records.fields import Day, Text, TownCode
from shared.records.kind import Kind, RecordSchema, same_keys
from shared.records.workflow import fact_workflow


class AgriVariety(Record):
    """优良品种."""

    meta = {"collection": "agri_varieties"}


class AgriVarietySchema(RecordSchema):
    """优良品种. Its own fields."""

    name = Text(required=True, metadata={"description": "名称"})
    town_code = TownCode(required=True, metadata={"description": "镇街"})
    promoted_on = Day(required=True, metadata={"description": "起算日"})
    crop = Text(metadata={"description": "作物"})


KIND = Kind(
    "agri-varieties",
    "agri-variety",
    AgriVariety,
    AgriVarietySchema(),
    fact_workflow(),
    same_keys("id"),
    "优良品种",
    first_day="promoted_on",
    identity=("name", "town_code"),
    owner_fields=(),
)
