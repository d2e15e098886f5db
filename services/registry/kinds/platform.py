"""Innovation platforms 创新平台 with several accreditations over time (D.2, C.10)."""

from __future__ import annotations

from marshmallow import Schema, fields

from services.registry.kinds.transfer import has_receiver, receiver
from shared.auth.principal import Principal
from shared.auth.roles import Role
from shared.errors import Invalid, RuleBroken
from shared.records import spells
from shared.records.document import Record
from shared.records.fields import Code, CreditCode, Day, Text, TownCode
from shared.records.image import faults_of
from shared.records.kind import OWNERS, Kind, RecordSchema, refuse
from shared.records.workflow import STAY, Context, Image, Request, Workflow, first_day, step
from shared.standards.codes import members

LEVELS = members("levels")
COUNTING = ("accredited", "rectifying")
UNDER_WAY = ("submitted", "town_recommended", "formal_review", "expert_review", "proposed")


class Platform(Record):
    """A platform."""

    meta = {"collection": "platforms"}


class AccreditationSchema(Schema):
    """One accreditation; `supersedes` ends the lower ones on granted_on."""

    level = Code("levels", required=True, metadata={"description": "级别"})
    doc_no = Text(metadata={"description": "文号"})
    granted_on = Day(required=True, metadata={"description": "认定日期"})
    valid_to = Day(metadata={"description": "有效期止, exclusive"})
    supersedes = fields.Bool(metadata={"description": "替代低级别认定"})
    ended_on = Day(metadata={"description": "失效日, first day it no longer counts"})


class PlatformSchema(RecordSchema):
    """A platform's own fields."""

    name = Text(required=True, metadata={"description": "名称"})
    platform_kind = Code("platform_kinds", required=True, metadata={"description": "类型"})
    town_code = TownCode(required=True, metadata={"description": "所在镇街"})
    host_uscc = CreditCode(metadata={"description": "依托单位"})
    cluster_code = Code("clusters", metadata={"description": "产业集群"})
    partners = fields.List(Text(), metadata={"description": "共建单位"})
    accreditations = fields.List(fields.Nested(AccreditationSchema), metadata={"description": "认定"})


def initial(principal: Principal, image: Image) -> str:
    """A feed reports an accredited platform when it gives accreditations."""
    return "accredited" if principal.has(Role.DATA_FEED) and image.get("accreditations") else "draft"


def prepare(image: Image, old: Image | None, context: Context) -> None:
    """Keep hosts and towns as spells; let a higher accreditation end those that it supersedes."""
    given = image.get("accreditations") or []
    for grant in given:
        if grant.get("supersedes"):
            _supersede(given, grant)
    began = min((grant["granted_on"] for grant in given), default=context.today.isoformat())
    if old is None:
        image["states"] = spells.opened(image["state"], began)
    for name, field in (("host_uscc", "hosts"), ("town_code", "towns")):
        if image.get(name) and not image.get(field):
            image[field] = spells.opened(image[name], began)
        elif image.get(field) and len(image[field]) == 1 and image[field][0]["from"] > began:
            image[field] = [{**image[field][0], "from": began}]


def _supersede(given: list[Image], grant: Image) -> None:
    for other in given:
        if LEVELS.index(other["level"]) < LEVELS.index(grant["level"]) and not _ended_by(other, grant["granted_on"]):
            other["ended_on"] = max(grant["granted_on"], other["granted_on"])


def _ended_by(grant: Image, day: str) -> bool:
    return bool(grant.get("ended_on")) and grant["ended_on"] <= day


def _granted(request: Request) -> Image:
    faults = AccreditationSchema().validate(request.accreditation or {})
    if faults:
        raise Invalid("the accreditation has faults", faults=list(faults_of(faults, "/accreditation")))
    return dict(request.accreditation or {})


def accredit(image: Image, request: Request, context: Context) -> None:
    """The accreditation is recorded, with its document."""
    if request.accreditation:
        image["accreditations"] = [*(image.get("accreditations") or []), _granted(request)]
    elif not image.get("accreditations"):
        raise refuse("/accreditation", "required", "必须给出认定级别与文号 the accreditation is needed")
    prepare(image, image, context)


def upgrade(image: Image, request: Request, context: Context) -> None:
    """One more accreditation of the same platform."""
    image["accreditations"] = [*(image.get("accreditations") or []), _granted(request)]
    prepare(image, image, context)


def has_level(image: Image, request: Request, context: Context) -> None:
    """The level to revoke is one that the platform has."""
    if request.level and request.level not in {grant["level"] for grant in image.get("accreditations") or ()}:
        raise refuse("/level", "unknown", "没有该级别的认定 no accreditation of this level")


def others_remain(image: Image, request: Request, context: Context) -> bool:
    """Whether an accreditation of another level goes on: then the platform stays what it was."""
    day = first_day(image, request, context)
    rest = [grant for grant in image.get("accreditations") or () if request.level and grant["level"] != request.level]
    return any(not _ended_by(grant, day) and not _lapsed(grant, day) for grant in rest)


def revoke(image: Image, request: Request, context: Context) -> None:
    """End the accreditations of a level, or all; with none left the platform is revoked."""
    day = first_day(image, request, context)
    for grant in image.get("accreditations") or ():
        if (not request.level or grant["level"] == request.level) and not _ended_by(grant, day):
            grant["ended_on"] = max(day, grant["granted_on"])


def _lapsed(grant: Image, day: str) -> bool:
    return bool(grant.get("valid_to")) and grant["valid_to"] <= day


def end_all(image: Image, request: Request, context: Context) -> None:
    """Every accreditation ends on the effective day."""
    revoke(image, Request(request.action, effective_on=first_day(image, request, context)), context)


def transfer(image: Image, request: Request, context: Context) -> None:
    """Another host from the effective day on; the platform stays the same."""
    into = receiver(request)
    image["hosts"] = spells.changed(image.get("hosts") or [], into, first_day(image, request, context))
    image["host_uscc"] = into


def objected(image: Image, request: Request, context: Context) -> None:
    """公示 is stopped by an objection; its text stays with the history."""
    image["objection"] = {"from": context.now, "to": None}


def is_open(image: Image, request: Request, context: Context) -> None:
    """Only an open objection is resolved: without one a platform goes through its expert review."""
    if not image.get("objection") or image["objection"]["to"]:
        raise RuleBroken("there is no open objection to resolve")


def resolved(image: Image, request: Request, context: Context) -> None:
    """公示 begins anew."""
    image["objection"] = image["objection"] | {"to": context.now}


BUREAU = Role.BUREAU_REVIEWER
ANYBODY = tuple(set(Role) - {Role.AUDITOR, Role.SYSADMIN, Role.METRICS, Role.DPO})
WORKFLOW = Workflow(
    (
        step("draft", "submit", "submitted", tuple(OWNERS)),
        step("submitted", "recommend", "town_recommended", Role.TOWN_REVIEWER, second_hand=True),
        step("town_recommended", "accept", "formal_review", BUREAU, second_hand=True),
        step("formal_review", "start_expert_review", "expert_review", BUREAU),
        step("expert_review", "propose", "proposed", BUREAU),
        step("proposed", "publish", "publicity", BUREAU),
        step("publicity", "object", "formal_review", ANYBODY, needs_reason=True, effect=objected),
        step("formal_review", "resolve", "publicity", BUREAU, needs_reason=True, second_hand=True, guard=is_open, effect=resolved),
        step("publicity", "accredit", "accredited", Role.BUREAU_APPROVER, second_hand=True, effect=accredit),
        step(("draft", *UNDER_WAY, "publicity"), "accredit", "accredited", (), effect=accredit),  # a feed reports the notice
        step(UNDER_WAY, "return", "draft", (Role.TOWN_REVIEWER, BUREAU), needs_reason=True),
        step("accredited", "rectify", "rectifying", BUREAU, needs_reason=True),
        step("rectifying", "restore", "accredited", BUREAU),
        step(COUNTING, "upgrade", STAY, BUREAU, other_hand=True, effect=upgrade),
        step(COUNTING, "revoke", "revoked", BUREAU, needs_reason=True, other_hand=True, guard=has_level, effect=revoke, stays=others_remain),
        step(COUNTING, "expire", "expired", BUREAU, effect=end_all),
        step(("draft", *UNDER_WAY, *COUNTING), "withdraw", "withdrawn", tuple(OWNERS), effect=end_all),
        step(COUNTING, "transfer", STAY, BUREAU, other_hand=True, guard=has_receiver, effect=transfer),
    ),
    counting=frozenset(COUNTING),
)


def last_accreditation_ends(image: Image) -> str | None:
    """The day on which its last accreditation ends; None while one has no end."""
    ends = [min(filter(None, (grant.get("ended_on"), grant.get("valid_to"))), default="") for grant in image.get("accreditations") or ()]
    return max(ends, default=None) if all(ends) else None


def subject_keys(image: Image) -> list[str]:
    """Every host, now or earlier; its own id when it has none."""
    hosts = [spell["value"] for spell in image.get("hosts") or () if spell["value"]]
    present = [image["host_uscc"]] if image.get("host_uscc") else []
    return list(dict.fromkeys([*present, *hosts])) or [image["id"]]


KIND = Kind(
    "platforms",
    "platform",
    Platform,
    PlatformSchema(),
    WORKFLOW,
    subject_keys,
    "创新平台",
    prepare=prepare,
    spelled={"town_code": "towns", "host_uscc": "hosts"},
    initial=initial,
    draft_needs=("name",),
    posters=frozenset({Role.DATA_FEED, Role.ENTERPRISE_AGENT, Role.ENTERPRISE_REP}),
    owner_fields=("host_uscc",),
    identity=("name", "platform_kind", "host_uscc"),
    public_states=frozenset({"publicity"}),
    ends=last_accreditation_ends,
)
