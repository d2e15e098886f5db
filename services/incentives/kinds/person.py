"""A person as the HR bureau hands it in: sealed at rest, known elsewhere only by an opaque key."""

from __future__ import annotations

from typing import Any

from marshmallow import Schema, ValidationError, fields, validates_schema

from shared.auth.roles import Role
from shared.records.fields import Code, Text, check_document
from shared.standards.errors import StandardError

verifiers = (Role.BUREAU_REVIEWER, Role.HR_OFFICER)
revealers = frozenset({Role.HR_OFFICER, Role.DPO})


class PersonSchema(Schema):
    """Name and document; no message repeats the number."""

    name = Text(longest=100, required=True, metadata={"description": "姓名"})
    id_kind = Code("id_kinds", required=True, metadata={"description": "证件类型"})
    id_number = fields.Str(required=True, metadata={"description": "证件号码"})

    @validates_schema
    def document_is_valid(self, data: Any, **_: Any) -> None:
        """GB 11643 for citizens."""
        try:
            data["id_number"] = check_document(data["id_kind"], data["id_number"])
        except StandardError as wrong:
            raise ValidationError(wrong.message, "id_number") from None
