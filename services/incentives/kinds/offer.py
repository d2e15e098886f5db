"""Offers 免申即享: who is eligible is told so, with amount and clause, and only confirms; withdrawn with its reason."""

from __future__ import annotations

from marshmallow import fields, validate

from services.incentives.kinds.policy import BENEFICIARIES, NamesSchema
from shared.auth.principal import Principal
from shared.auth.roles import Role
from shared.errors import Fault, Invalid
from shared.records.document import Record
from shared.records.fields import CreditCode, Day, Fen, Text, TownCode
from shared.records.kind import OWNERS, Kind, RecordSchema
from shared.records.workflow import Context, Image, Request, Workflow, step

LIVE = ("offered", "accepted")
WHO = {"person": ("person_key", "introduction_id"), "enterprise": ()}
FEED = Role.DATA_FEED


class Offer(Record):
    """An offer."""

    meta = {"collection": "offers"}


class OfferSchema(RecordSchema):
    """An offer's own fields; written by the process that follows the changes."""

    policy_id = Text(required=True, metadata={"description": "政策版本"})
    policy_code = Text(required=True, metadata={"description": "政策代码"})
    version_no = fields.Int(required=True, strict=True, metadata={"description": "版本"})
    title = fields.Nested(NamesSchema, required=True, metadata={"description": "政策名称"})
    clause = Text(longest=500, required=True, metadata={"description": "依据条款"})
    beneficiary = fields.Str(required=True, validate=validate.OneOf(BENEFICIARIES), metadata={"description": "受益人"})
    uscc = CreditCode(required=True, metadata={"description": "企业, or the person's employer"})
    introduction_id = Text(metadata={"description": "人才引进记录"})
    person_key = Text(metadata={"description": "人才(不透明标识)"})
    town_code = TownCode(metadata={"description": "镇街"})
    item = Text(required=True, metadata={"description": "资助类别"})
    amount_fen = Fen(required=True, metadata={"description": "金额, 分"})
    expires_on = Day(metadata={"description": "失效日, exclusive"})
    decision = fields.Dict(required=True, metadata={"description": "判定依据: 规则版本与输入快照"})
    application_id = Text(metadata={"description": "确认后生成的申请"})


def subject_of(image: Image) -> str:
    """Whom it is for: `enterprise|uscc` or `person|key`."""
    return f"person|{image['person_key']}" if image["beneficiary"] == "person" else f"enterprise|{image['uscc']}"


def prepare(image: Image, old: Image | None, context: Context) -> None:
    """One live offer per policy and beneficiary, who must be named."""
    lacking = [name for name in WHO[image["beneficiary"]] if not image.get(name)]
    if lacking:
        raise Invalid("whom the offer is for", faults=[Fault(f"/{name}", "required", "必填 required") for name in lacking])
    image["subject"] = subject_of(image)
    image["live"] = f"{image['policy_code']}|{image['subject']}"
    if image["state"] not in LIVE:
        image.pop("live")


def accept(image: Image, request: Request, context: Context) -> None:
    """Accepting is applying: the application is there, filled in but for the account, for its owner to submit."""
    subject = {"introduction": image["introduction_id"]} if image["beneficiary"] == "person" else {"uscc": image["uscc"]}
    named = {name: image[name] for name in ("policy_code", "item", "town_code") if image.get(name)}
    body = named | subject | {"source": f"免申即享 {image['id']}"}
    image["application_id"] = context.work.create("applications", body, state="draft", reason=f"offers/{image['id']}")["id"]


def over(image: Image, request: Request, context: Context) -> None:
    """It no longer stands; the reason stays with it."""
    image.pop("live", None)
    if request.reason:
        image["ended_because"] = request.reason


def initial(principal: Principal, image: Image) -> str:
    """An offer begins as one."""
    return "offered"


def keys(image: Image) -> list[str]:
    """The person, or the enterprise."""
    return [str(image.get("person_key") or image["uscc"])]


WORKFLOW = Workflow(
    (
        step("offered", "accept", "accepted", tuple(OWNERS), effect=accept),
        step("offered", "decline", "declined", tuple(OWNERS), effect=over),
        step(LIVE, "withdraw", "withdrawn", FEED, needs_reason=True, effect=over),
        step("offered", "expire", "expired", FEED, effect=over),
    ),
    counting=frozenset(LIVE),
    feed_always=False,
    feed_actions=frozenset({"withdraw", "expire"}),
)

KIND = Kind(
    "offers",
    "offer",
    Offer,
    OfferSchema(),
    WORKFLOW,
    keys,
    "免申即享",
    prepare=prepare,
    initial=initial,
    posters=frozenset({FEED}),
    owner_fields=("uscc",),
    unique_while_present=("live",),
    indexes=(("subject",),),
    derived=("subject", "live", "ended_because"),
)
