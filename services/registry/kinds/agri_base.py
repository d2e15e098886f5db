"""示范基地: counted from accepted_on (二(二)3)."""

from __future__ import annotations

from shared.records.document import Record
from shared.records.fields import Day, Text, TownCode
from shared.records.kind import Kind, RecordSchema, same_keys
from shared.records.workflow import fact_workflow


class AgriBase(Record):
    """示范基地."""

    meta = {"collection": "agri_bases"}


class AgriBaseSchema(RecordSchema):
    """示范基地. Its own fields."""

    name = Text(required=True, metadata={"description": "名称"})
    town_code = TownCode(required=True, metadata={"description": "镇街"})
    accepted_on = Day(required=True, metadata={"description": "起算日"})
    crop = Text(metadata={"description": "作物"})


KIND = Kind(
    "agri-bases",
    "agri-base",
    AgriBase,
    AgriBaseSchema(),
    fact_workflow(),
    same_keys("id"),
    "示范基地",
    first_day="accepted_on",
    identity=("name", "town_code"),
    owner_fields=(),
)
