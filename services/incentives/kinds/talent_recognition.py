"""高端人才认定 (C.8)."""

from __future__ import annotations

from marshmallow import fields

from services.incentives.kinds.person import PersonSchema, revealers, verifiers
from shared.auth.roles import Role
from shared.records.document import Record
from shared.records.fields import Code, CreditCode, Day, Text, TownCode
from shared.records.kind import Kind, RecordSchema, same_keys
from shared.records.workflow import fact_workflow


class TalentRecognition(Record):
    """A recognition."""

    meta = {"collection": "talent_recognitions"}


class TalentRecognitionSchema(RecordSchema):
    """A recognition. Its own fields."""

    person = fields.Nested(PersonSchema, required=True, metadata={"description": "个人信息 (personal)"})
    category = Code("recognition_categories", required=True, metadata={"description": "类别"})
    granted_on = Day(required=True, metadata={"description": "认定日期"})
    doc_no = Text(required=True, metadata={"description": "文号"})
    valid_to = Day(metadata={"description": "有效期止"})
    town_code = TownCode(metadata={"description": "镇街"})
    employer_uscc = CreditCode(metadata={"description": "用人单位"})


KIND = Kind(
    "talent-recognitions",
    "talent-recognition",
    TalentRecognition,
    TalentRecognitionSchema(),
    fact_workflow(verifiers=verifiers),
    same_keys("person_key"),
    "人才认定",
    first_day="granted_on",
    identity=("person_key", "category", "doc_no"),
    owner_fields=("employer_uscc",),
    personal=("person",),
    revealers=revealers,
    posters=frozenset({Role.DATA_FEED, Role.BUREAU_REVIEWER, Role.HR_OFFICER}),
)
