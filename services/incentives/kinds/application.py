"""Incentive applications 兑现申请: the table of domain D.4, read aloud; what each line does stands in applications/ and payments/."""

from __future__ import annotations

from marshmallow import Schema, fields, validate

from services.incentives.applications import arrival, award, decision, desk, hands, notice
from services.incentives.applications.progress import DEAD, seen_on, start_clock
from services.incentives.applications.terms import policy_of
from services.incentives.payments import payment, recovery
from shared.auth.principal import Principal
from shared.auth.roles import Role
from shared.records.document import Record
from shared.records.fields import CreditCode, Day, Fen, Text, TownCode
from shared.records.kind import EVERY_FIELD, OWNERS, STAFF, Kind, RecordSchema
from shared.records.workflow import STAY, Context, Effect, Guard, Image, Request, Step, Workflow, step


class Application(Record):
    """An application."""

    meta = {"collection": "applications"}


class AccountSchema(Schema):
    """Where the money goes; sealed at rest, seen by no event, list or error."""

    holder = Text(longest=100, required=True, metadata={"description": "户名"})
    bank = Text(longest=100, required=True, metadata={"description": "开户行"})
    number = fields.Str(required=True, validate=validate.Regexp(r"^\d{8,30}$", error="账号应为8至30位数字 digits"),
                        metadata={"description": "账号"})


class OverrideSchema(Schema):
    """A rule that two persons set aside for a while, with a reason; auditors have a list of all of them."""

    rule = fields.Str(required=True, validate=validate.OneOf(award.RULES))
    until = Day(required=True, metadata={"description": "失效日(含)"})
    amount_fen = Fen()
    reason = Text(longest=500, required=True)


class ApplicationSchema(RecordSchema):
    """An application's own fields. Exactly one of `introduction` (for a person) and `uscc` (for an enterprise)."""

    policy_code = Text(longest=64, required=True, metadata={"description": "政策代码"})
    item = Text(longest=64, metadata={"description": "资助类别; by the policy when not given"})
    introduction = Text(longest=64, metadata={"description": "引进记录编号(个人)"})
    uscc = CreditCode(metadata={"description": "申请企业"})
    town_code = TownCode(metadata={"description": "镇街"})
    year = fields.Int(strict=True, validate=validate.Range(2000, 2200), metadata={"description": "年度"})
    reference_date = Day(metadata={"description": "基准日"})
    applicant_name = Text(metadata={"description": "企业名称(公示用)"})
    employer_name = Text(metadata={"description": "用人单位名称(公示用)"})
    application_no = Text(longest=64, metadata={"description": "原系统申请号"})
    account = fields.Nested(AccountSchema, metadata={"description": "收款账户 (personal)"})
    override = fields.Nested(OverrideSchema, metadata={"description": "例外(两人)"})
    policy_version = fields.Int(strict=True, metadata={"description": "政策版本 (feed)"})
    amount_fen = Fen(metadata={"description": "金额, 分 (feed; else the policy's)"})
    ordered_fen = Fen(metadata={"description": "追缴金额, 分 (feed)"})
    recovered_fen = Fen(metadata={"description": "已追回, 分 (feed)"})
    budget_id = Text(longest=64, metadata={"description": "预算 (feed; else the policy's)"})


def line(from_: str | tuple[str, ...], action: str, to: str, by: Role | tuple[Role, ...], effect: Effect, needs_reason: bool = False,
         proposes: bool = False, needs: Guard | None = None) -> Step:
    """A step whose hands are checked first, also those of who only proposes it, and whose clock runs afterwards."""

    def check(image: Image, request: Request, context: Context) -> None:
        hands.check(image, action, context, policy_of(image, context) if action in hands.APART else None)
        if needs is not None:
            needs(image, request, context)

    def whole(image: Image, request: Request, context: Context) -> None:
        check(image, request, context)
        effect(image, request, context)
        desk.release_place(image)
        start_clock(image, context.today)

    return step(from_, action, to, by, needs_reason=needs_reason, proposes=proposes, effect=whole, guard=check if proposes else None)


APPLICANT = (Role.ENTERPRISE_AGENT, Role.TALENT)
TOWN, REVIEWER, APPROVER, TREASURY = Role.TOWN_REVIEWER, Role.BUREAU_REVIEWER, Role.BUREAU_APPROVER, Role.TREASURY_OFFICER
ANYBODY = tuple(sorted(set(Role) - {Role.SYSADMIN, Role.METRICS, Role.DATA_FEED}))
AT_DESKS = ("submitted", "accepted", "reviewed", "proposed", "publicity", "objection", "approved", "waiting", "payment_failed")
OWED = ("clawback_ordered", "partially_recovered")
WORKFLOW = Workflow(
    (
        line(("draft", "returned"), "submit", "submitted", APPLICANT, desk.submit),
        line("submitted", "accept", "accepted", TOWN, desk.accept),
        line("submitted", "return", "returned", TOWN, desk.give_back, needs_reason=True),
        line("submitted", "reject", "rejected", TOWN, desk.reject, needs_reason=True),
        line("accepted", "review", "reviewed", REVIEWER, desk.review),
        line("accepted", "return", "returned", REVIEWER, desk.give_back, needs_reason=True),
        line("accepted", "reject", "rejected", REVIEWER, desk.reject, needs_reason=True),
        line("reviewed", "propose", "proposed", REVIEWER, desk.propose),
        line("proposed", "publish", "publicity", APPROVER, notice.publish),
        line(("publicity", "objection"), "object", "objection", ANYBODY, notice.object_, needs_reason=True),
        line("objection", "resolve", "proposed", REVIEWER, notice.resolve, needs_reason=True),
        line("objection", "reject", "rejected", REVIEWER, desk.reject, needs_reason=True),
        line("publicity", "approve", STAY, APPROVER, decision.approve),  # stays until the last signature; then approved or waiting
        line(("approved", "payment_failed"), "order_payment", "payment_ordered", TREASURY, payment.order),
        line("payment_ordered", "release_payment", STAY, TREASURY, payment.release),
        line("payment_ordered", "confirm_payment", "paid", TREASURY, payment.confirm),
        line("payment_ordered", "fail_payment", "payment_failed", TREASURY, payment.fail, needs_reason=True),
        line(("draft", "returned", *AT_DESKS, "payment_ordered", "suspended"), "withdraw", "withdrawn", APPLICANT, decision.withdraw),
        line((*AT_DESKS, "payment_ordered"), "suspend", "suspended", APPROVER, decision.suspend, needs_reason=True),
        line("suspended", "resume", STAY, APPROVER, decision.resume, needs_reason=True),  # back to where it stood
        line((*AT_DESKS, "payment_ordered", "suspended"), "revoke", "revoked", APPROVER, decision.revoke, needs_reason=True),
        line("paid", "order_clawback", "clawback_ordered", APPROVER, recovery.order, needs_reason=True),
        line(OWED, "record_recovery", "partially_recovered", TREASURY, recovery.record),  # recovered when nothing is left
        line(OWED, "write_off", "written_off", TREASURY, recovery.write_off, needs_reason=True, proposes=True, needs=recovery.may_write_off),
    ),
    counting=frozenset(),  # nothing here is a fact that a patch could correct with a second hand: the workflow says it all
    feed_always=False,
    led_to=frozenset({"recovered"}),
)


def initial(principal: Principal, image: Image) -> str:
    """An applicant begins a draft; a feed brings a file in that somebody submitted elsewhere."""
    return "submitted" if principal.has(Role.DATA_FEED) else "draft"


def subject_keys(image: Image) -> list[str]:
    """The person or the enterprise."""
    return [str(image["applicant"])]


KIND = Kind(
    "applications",
    "application",
    Application,
    ApplicationSchema(),
    WORKFLOW,
    subject_keys,
    "兑现申请",
    prepare=arrival.prepare,
    arrive=arrival.arrive,
    in_line=True,
    initial=initial,
    posters=frozenset({Role.DATA_FEED, *APPLICANT, Role.ENTERPRISE_REP}),
    readers=STAFF,
    owners=OWNERS | {Role.TALENT},
    owner_fields=("uscc", "employer_uscc"),
    deciders=frozenset({REVIEWER, APPROVER, TREASURY}),
    editable={"draft": EVERY_FIELD, "returned": EVERY_FIELD, "payment_failed": frozenset({"account"}), "approved": frozenset({"account"})},
    staff_proposes=frozenset({"override"}),
    personal=("account",),
    identity=("introduction", "uscc", "policy_code", "item", "year", "application_no"),
    unique_while_present=("live_key",),
    indexes=(("applicant", "state"), ("budget_id", "state", "waiting_no"), ("clock.due_on",), ("entries.entry",), ("clawback_due.cause",)),
    derived=("applicant", "employer_uscc", "budget_id"),
    seen_on=seen_on,
    unseen=frozenset({"object"}),
    search_field="applicant_name",
)

__all__ = ["DEAD", "KIND", "WORKFLOW"]
