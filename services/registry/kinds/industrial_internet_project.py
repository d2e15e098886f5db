"""工业互联网项目: verified adoption, by its acceptance (C.11)."""

from __future__ import annotations

from shared.records.document import Record
from shared.records.endings import of_fact
from shared.records.fields import CreditCode, Day, Text
from shared.records.kind import Kind, RecordSchema, same_keys
from shared.records.workflow import fact_workflow


class IndustrialInternetProject(Record):
    """A project."""

    meta = {"collection": "industrial_internet_projects"}


class IndustrialInternetProjectSchema(RecordSchema):
    """A project. Its own fields."""

    uscc = CreditCode(required=True, metadata={"description": "统一社会信用代码"})
    name = Text(required=True, metadata={"description": "名称"})
    accepted_on = Day(required=True, metadata={"description": "验收日期"})


KIND = Kind(
    "industrial-internet-projects",
    "industrial-internet-project",
    IndustrialInternetProject,
    IndustrialInternetProjectSchema(),
    fact_workflow(),
    same_keys("uscc"),
    "工业互联网项目",
    first_day="accepted_on",
    identity=("uscc", "name", "accepted_on"),
    ends=of_fact(),
)
