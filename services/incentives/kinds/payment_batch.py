"""Payment batches 支付批次: one treasury officer orders, another releases; the bank's result settles each line."""

from __future__ import annotations

from marshmallow import fields, validate

from shared.auth.roles import Role
from shared.errors import Fault, Invalid, KechuangError
from shared.records.document import Record
from shared.records.fields import Text
from shared.records.kind import Kind, RecordSchema, same_keys
from shared.records.workflow import Context, Image, Request, Workflow, step

APPLICATIONS = "applications"
MOST_LINES = 200  # an order changes two documents a line, and one transaction carries a thousand


class PaymentBatch(Record):
    """A batch."""

    meta = {"collection": "payment_batches"}


class PaymentBatchSchema(RecordSchema):
    """A batch's own fields."""

    applications = fields.List(
        Text(longest=64), required=True, validate=validate.Length(1, MOST_LINES), metadata={"description": "申请编号"}
    )
    name = Text(metadata={"description": "批次名称"})


def prepare(image: Image, old: Image | None, context: Context) -> None:
    """The applications of a batch do not change once they are ordered."""
    if old is not None and old["applications"] != image["applications"]:
        raise Invalid("批次不可修改", faults=[Fault("/applications", "immutable", "不可修改 a batch does not change")])
    if len(set(image["applications"])) != len(image["applications"]):
        raise Invalid("申请重复", faults=[Fault("/applications", "duplicate", "重复 named twice")])


def order_all(image: Image, context: Context) -> None:
    """A payment order for each application, or for none: every one that cannot be ordered is named."""
    lines, faults = [], []
    for n, application_id in enumerate(image["applications"]):
        try:
            ordered = context.work.step(APPLICATIONS, application_id, Request("order_payment", into=image["id"]))
        except KechuangError as wrong:
            faults += [Fault(f"/applications/{n}", fault.code, fault.message) for fault in wrong.faults] or [
                Fault(f"/applications/{n}", wrong.code, wrong.message)
            ]
            continue
        payment = ordered["payments"][-1]
        lines.append({"payment_no": payment["no"], "application": application_id, "amount_fen": payment["amount_fen"]})
    if faults:
        raise Invalid("these applications cannot be ordered", faults=faults)
    image["lines"] = lines
    image["total_fen"] = sum(line["amount_fen"] for line in lines)


def release_all(image: Image, request: Request, context: Context) -> None:
    """The second hand lets every order of the batch go to the bank; an order that was undone meanwhile stays out."""
    released = []
    for line in image["lines"]:
        application = context.find(APPLICATIONS, line["application"]) or {}
        payment = (application.get("payments") or [{}])[-1]
        if payment.get("no") == line["payment_no"] and payment.get("state") == "ordered":
            context.work.step(APPLICATIONS, line["application"], Request("release_payment"))
            released.append(line)
    image["lines"] = released
    image["total_fen"] = sum(line["amount_fen"] for line in released)


WORKFLOW = Workflow(
    (
        step("ordered", "release_payment", "released", Role.TREASURY_OFFICER, second_hand=True, effect=release_all),
        step("released", "settle", "settled", Role.TREASURY_OFFICER),
    ),
    counting=frozenset({"ordered", "released", "settled"}),
    feed_always=False,
)

KIND = Kind(
    "payment-batches",
    "payment-batch",
    PaymentBatch,
    PaymentBatchSchema(),
    WORKFLOW,
    same_keys("id"),
    "支付批次",
    prepare=prepare,
    arrive=order_all,
    in_line=True,
    initial=lambda principal, image: "ordered",
    posters=frozenset({Role.TREASURY_OFFICER}),
    owner_fields=(),
    owners=frozenset(),
    derived=("lines", "total_fen"),
)
