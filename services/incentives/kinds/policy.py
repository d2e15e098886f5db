"""Incentive policies 兑现政策 as versioned data: a change is a new version that a second person signs (D.5 S6).

A version in force never changes; files that were submitted under it keep it. Which version holds on a day: `in_force`.
"""

from __future__ import annotations

from collections.abc import Iterable

from marshmallow import Schema, fields, validate

from services.incentives.eligibility.decide import OPERATORS, faults_of
from services.incentives.eligibility.versions import approvals_needed, editors, in_force
from shared.auth.principal import Principal
from shared.auth.roles import Role
from shared.errors import Fault, Invalid, RuleBroken
from shared.records.document import Record
from shared.records.fields import Day, Fen, Flag, Text
from shared.records.kind import Kind, RecordSchema
from shared.records.workflow import Context, Image, Workflow, step

LONGEST_EXPRESSION = 2_000
MOST_CONDITIONS = 40
BENEFICIARIES = ("person", "enterprise")
REFERENCE_RULES = ("application", "fixed", "hired_on", "established_on", "year_start", "year_end")
STACKING_RULES = ("none", "highest_only", "difference")
EDITORS = (Role.PLAN_OFFICER, Role.BUREAU_REVIEWER)
SIGNERS = (Role.PLAN_OFFICER, Role.BUREAU_APPROVER)
CODE = validate.Regexp(r"^[a-z0-9][a-z0-9-]{0,63}$", error="小写字母、数字与短横线 lower case letters, digits and hyphens")


class Policy(Record):
    """A version of a policy."""

    meta = {"collection": "policies", "unique_together": (("policy_code", "version_no"),)}


class NamesSchema(Schema):
    """A text in both languages."""

    zh = Text(longest=1000, required=True)
    en = Text(longest=1000, required=True)


class WindowSchema(Schema):
    """When the version takes applications; `to` is exclusive."""

    from_ = Day(required=True, data_key="from", attribute="from")
    to = Day()


class ConditionSchema(Schema):
    """One condition: `value operator threshold`, both sides expressions over the facts of the catalogue."""

    name = fields.Str(required=True, validate=CODE)
    text = fields.Nested(NamesSchema, required=True)
    value = Text(longest=LONGEST_EXPRESSION, required=True)
    operator = fields.Str(required=True, validate=validate.OneOf(OPERATORS))
    threshold = Text(longest=LONGEST_EXPRESSION, required=True)


class ItemSchema(Schema):
    """What may be awarded: the first item whose `when` is true gives the amount (an expression, in fen)."""

    code = fields.Str(required=True, validate=CODE)
    title = fields.Nested(NamesSchema, required=True)
    when = Text(longest=LONGEST_EXPRESSION)
    amount = Text(longest=LONGEST_EXPRESSION, required=True)


class StackingSchema(Schema):
    """Awards of one group for the same matter: only the highest, only the difference, or none beside another."""

    group = fields.Str(required=True, validate=CODE)
    rule = fields.Str(required=True, validate=validate.OneOf(STACKING_RULES))


class BandSchema(Schema):
    """How many different approvers an amount needs; the last band has no `up_to_fen`."""

    up_to_fen = Fen()
    approvals = fields.Int(required=True, strict=True, validate=validate.Range(1, 5))


class ReferenceSchema(Schema):
    """As of which day facts are read."""

    rule = fields.Str(required=True, validate=validate.OneOf(REFERENCE_RULES))
    day = Day(metadata={"description": "only with rule fixed"})


class PolicySchema(RecordSchema):
    """A policy version's own fields."""

    policy_code = fields.Str(required=True, validate=CODE, metadata={"description": "政策代码"})
    version_no = fields.Int(required=True, strict=True, validate=validate.Range(1, 9999), metadata={"description": "版本"})
    title = fields.Nested(NamesSchema, required=True, metadata={"description": "名称"})
    clause = Text(longest=500, required=True, metadata={"description": "依据条款, 文号"})
    beneficiary = fields.Str(required=True, validate=validate.OneOf(BENEFICIARIES), metadata={"description": "受益人"})
    window = fields.Nested(WindowSchema, required=True, metadata={"description": "申报期"})
    reference_date = fields.Nested(ReferenceSchema, required=True, metadata={"description": "基准日"})
    conditions = fields.List(fields.Nested(ConditionSchema), required=True, validate=validate.Length(1, MOST_CONDITIONS),
                             metadata={"description": "条件"})
    items = fields.List(fields.Nested(ItemSchema), required=True, validate=validate.Length(1, MOST_CONDITIONS),
                        metadata={"description": "资助类别与金额"})
    cap_fen = Fen(metadata={"description": "上限, 分"})
    budget_id = Text(metadata={"description": "预算"})
    stacking = fields.Nested(StackingSchema, metadata={"description": "同一事项重复享受规则"})
    excludes = fields.List(fields.Str(validate=CODE), metadata={"description": "互斥政策代码"})
    publicity_working_days = fields.Int(required=True, strict=True, validate=validate.Range(0, 60),
                                        metadata={"description": "公示工作日"})
    approval_bands = fields.List(fields.Nested(BandSchema), required=True, validate=validate.Length(1, 10),
                                 metadata={"description": "按金额的审批人数"})
    handling_working_days = fields.Dict(keys=fields.Str(), values=fields.Int(strict=True, validate=validate.Range(1, 250)),
                                        metadata={"description": "各环节办理时限, 工作日, 按状态"})
    service_months = fields.Int(strict=True, validate=validate.Range(0, 240), metadata={"description": "服务期, 月"})
    without_application = Flag(metadata={"description": "免申即享: an offer appears by itself"})


FIELDS = frozenset(PolicySchema().fields)


def prepare(image: Image, old: Image | None, context: Context) -> None:
    """Refuse expressions that cannot be used, and a change of a version that was signed."""
    if old is not None and old["state"] != "draft" and any(image.get(name) != old.get(name) for name in FIELDS - {"source"}):
        raise RuleBroken("a signed version does not change: post the next version_no 已签发的版本不可修改, 请提交新版本")
    faults = [*_expression_faults(image), *shape_faults(image)]
    if faults:
        raise Invalid("the policy has faults", faults=faults)


def _expression_faults(image: Image) -> Iterable[Fault]:
    for path, reason in faults_of(image):
        yield Fault("/" + "/".join(map(str, path)), "expression", f"表达式有误 {reason}")


def shape_faults(image: Image) -> Iterable[Fault]:
    """What no single field can tell: orders, doubles, and what does not go together."""
    window, reference, bands = image["window"], image["reference_date"], image["approval_bands"]
    if window.get("to") and window["to"] <= window["from"]:
        yield Fault("/window/to", "order", "止须晚于起 must be after from")
    if (reference["rule"] == "fixed") != bool(reference.get("day")):
        yield Fault("/reference_date/day", "required" if reference["rule"] == "fixed" else "not_allowed", "仅固定基准日填写 with rule fixed only")
    if reference["rule"] == "hired_on" and image["beneficiary"] != "person":
        yield Fault("/reference_date/rule", "not_allowed", "仅适用于个人 for persons only")
    for name in ("conditions", "items"):
        codes = [each.get("name") or each.get("code") for each in image[name]]
        yield from (Fault(f"/{name}/{n}", "duplicate", "重复 named twice") for n, code in enumerate(codes) if code in codes[:n])
    limits = [band.get("up_to_fen") for band in bands]
    if limits[-1] is not None or None in limits[:-1] or limits[:-1] != sorted(set(limits[:-1])):
        yield Fault("/approval_bands", "order", "金额上限须递增, 末档不设上限 rising limits, the last without")


def initial(principal: Principal, image: Image) -> str:
    """A feed reports what is in force; an editor drafts."""
    return "in_force" if principal.has(Role.DATA_FEED) else "draft"


WORKFLOW = Workflow(
    (
        step("draft", "sign", "in_force", SIGNERS, second_hand=True),
        step("draft", "withdraw", "withdrawn", EDITORS),
        step("in_force", "close", "closed", SIGNERS, needs_reason=True),
    ),
    counting=frozenset({"in_force"}),
)


KIND = Kind(
    "policies",
    "policy",
    Policy,
    PolicySchema(),
    WORKFLOW,
    lambda image: [str(image["policy_code"])],
    "兑现政策",
    identity=("policy_code", "version_no"),
    prepare=prepare,
    initial=initial,
    posters=frozenset({Role.DATA_FEED, *EDITORS}),
    owner_fields=(),
    search_field="title.zh",
)

__all__ = ["KIND", "approvals_needed", "editors", "in_force"]
