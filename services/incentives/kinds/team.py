"""高水平创新创业团队 (C.8)."""

from __future__ import annotations

from marshmallow import fields

from services.incentives.kinds.person import PersonSchema, revealers, verifiers
from shared.auth.roles import Role
from shared.records.document import Record
from shared.records.fields import Code, CreditCode, Day, Text, TownCode
from shared.records.kind import Kind, RecordSchema, same_keys
from shared.records.workflow import fact_workflow


class Team(Record):
    """A team."""

    meta = {"collection": "teams"}


class TeamSchema(RecordSchema):
    """A team. Its own fields."""

    category = Code("team_categories", required=True, metadata={"description": "类别"})
    granted_on = Day(required=True, metadata={"description": "认定日期"})
    doc_no = Text(required=True, metadata={"description": "文号"})
    valid_to = Day(metadata={"description": "有效期止"})
    name = Text(metadata={"description": "团队名称"})
    town_code = TownCode(metadata={"description": "镇街"})
    uscc = CreditCode(metadata={"description": "依托单位"})
    leader = fields.Nested(PersonSchema, metadata={"description": "带头人 (personal)"})
    members = fields.List(fields.Nested(PersonSchema), metadata={"description": "核心成员 (personal)"})
    person = fields.Nested(PersonSchema, metadata={"description": "个人信息 (personal)"})


KIND = Kind(
    "teams",
    "team",
    Team,
    TeamSchema(),
    fact_workflow(verifiers=verifiers),
    same_keys("id"),
    "创新创业团队",
    first_day="granted_on",
    identity=("category", "doc_no", "name"),
    personal=("leader", "members", "person"),
    revealers=revealers,
    posters=frozenset({Role.DATA_FEED, Role.BUREAU_REVIEWER, Role.HR_OFFICER}),
)
