"""Budgets 资金预算: total = free + reserved + approved + paid, always; money moves only by the steps of applications."""

from __future__ import annotations

from marshmallow import fields, validate

from services.incentives.budgets.money import FREE, PARTS
from shared.auth.roles import Role
from shared.ids import new_id
from shared.records.document import Record
from shared.records.fields import Fen, Identifier, Text
from shared.records.kind import Kind, RecordSchema, refuse, same_keys
from shared.records.workflow import Context, Image, fact_workflow

WAITING, LAST_TICKET = "waiting", "last_ticket"


class Budget(Record):
    """A budget."""

    meta = {"collection": "budgets"}


class BudgetSchema(RecordSchema):
    """A budget's own fields."""

    budget_code = Identifier(longest=64, load_default=new_id, metadata={"description": "预算编号; generated when not given"})
    name = Text(required=True, metadata={"description": "名称"})
    total_fen = Fen(required=True, metadata={"description": "总额, 分"})
    policy_code = Text(longest=64, metadata={"description": "政策代码; or the policy names its budget"})
    year = fields.Int(strict=True, validate=validate.Range(2000, 2200), metadata={"description": "年度; every year when not given"})


def prepare(image: Image, old: Image | None, context: Context) -> None:
    """All of a new budget is free; more or less of it later is more or less free. Raises Invalid below what is bound."""
    before = old or dict.fromkeys((*PARTS, "total_fen", WAITING, LAST_TICKET), 0)
    for name in (*PARTS, WAITING, LAST_TICKET):
        image[name] = before[name]
    image[FREE] += image["total_fen"] - before["total_fen"]
    if image[FREE] < 0:
        bound = image["total_fen"] - image[FREE]
        raise refuse("/total_fen", "below_bound", f"已占用 {bound} 分 {bound} fen are bound already")


KIND = Kind(
    "budgets",
    "budget",
    Budget,
    BudgetSchema(),
    fact_workflow(verifiers=(Role.TREASURY_OFFICER,)),
    same_keys("id"),
    "资金预算",
    natural_key="budget_code",
    prepare=prepare,
    posters=frozenset({Role.DATA_FEED, Role.TREASURY_OFFICER}),
    owner_fields=("policy_code",),
    owners=frozenset(),
    derived=(*PARTS, WAITING, LAST_TICKET),
)
