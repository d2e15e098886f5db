"""科技型中小企业入库: valid in its year unless the announcement says otherwise (C.7)."""

from __future__ import annotations

from marshmallow import validate

from shared.records.document import Record
from shared.records.endings import of_fact
from shared.records.fields import CreditCode, Day, EntryNumber, Whole
from shared.records.kind import Kind, RecordSchema, same_keys
from shared.records.workflow import Context, Image, Request, fact_workflow, revoke_from


class TechSmeEntry(Record):
    """An entry."""

    meta = {"collection": "tech_sme_entries"}


class TechSmeEntrySchema(RecordSchema):
    """An entry. Its own fields."""

    entry_no = EntryNumber(required=True, metadata={"description": "入库登记编号"})
    uscc = CreditCode(required=True, metadata={"description": "统一社会信用代码"})
    eval_year = Whole(required=True, validate=validate.Range(2017, 2100), metadata={"description": "评价年度"})
    announced_on = Day(required=True, metadata={"description": "公告日期"})
    valid_to = Day(metadata={"description": "有效期止, exclusive"})


def prepare(image: Image, old: Image | None, context: Context) -> None:
    """Valid to the end of its year when nothing else is announced."""
    image.setdefault("valid_to", f"{image['eval_year'] + 1}-01-01")


def revoke(image: Image, request: Request, context: Context) -> None:
    """A revoked number never was one, unless the notice names another day."""
    revoke_from(image, request.effective_on or image["announced_on"])


KIND = Kind(
    "tech-sme-entries",
    "tech-sme-entry",
    TechSmeEntry,
    TechSmeEntrySchema(),
    fact_workflow(revoke_effect=revoke),
    same_keys("uscc"),
    "科技型中小企业入库",
    natural_key="entry_no",
    prepare=prepare,
    first_day="announced_on",
    ends=of_fact("valid_to"),
)
