"""登记技术合同: registered once by the seller, counts by its registration day (C.9)."""

from __future__ import annotations

from shared.records.document import Record
from shared.records.endings import of_fact
from shared.records.fields import Code, CreditCode, Day, Fen, Identifier, Text
from shared.records.kind import Kind, RecordSchema, refuse, same_keys
from shared.records.workflow import Context, Image, fact_workflow


class TechContract(Record):
    """A registered contract."""

    meta = {"collection": "tech_contracts"}


class TechContractSchema(RecordSchema):
    """A registered contract. Its own fields."""

    registration_no = Identifier(required=True, metadata={"description": "登记编号"})
    registered_on = Day(required=True, metadata={"description": "登记日期"})
    signed_on = Day(metadata={"description": "签订日期"})
    contract_type = Code("contract_types", required=True, metadata={"description": "合同类型"})
    seller_uscc = CreditCode(required=True, metadata={"description": "卖方"})
    buyer = Text(metadata={"description": "买方"})
    deal_amount_fen = Fen(required=True, metadata={"description": "合同成交额, 分"})
    tech_amount_fen = Fen(required=True, metadata={"description": "技术交易额, 分"})


def prepare(image: Image, old: Image | None, context: Context) -> None:
    """技术交易额 is part of 成交额."""
    if image["tech_amount_fen"] > image["deal_amount_fen"]:
        raise refuse("/tech_amount_fen", "too_large", "技术交易额不得超过成交额 tech_amount_fen exceeds deal_amount_fen")


KIND = Kind(
    "tech-contracts",
    "tech-contract",
    TechContract,
    TechContractSchema(),
    fact_workflow(),
    same_keys("seller_uscc"),
    "技术合同",
    natural_key="registration_no",
    prepare=prepare,
    first_day="registered_on",
    owner_fields=("seller_uscc",),
    ends=of_fact(),
)
