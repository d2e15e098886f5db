"""Innovation platforms 创新平台 with several accreditations over time (D.2, C.10)."""

from __future__ import annotations

from typing import Any

from marshmallow import Schema, fields

from services.registry.experts import new_panel, panel_is_whole
from services.registry.kinds import public_notice
from services.registry.kinds.transfer import has_receiver, receiver
from services.registry.recusal import all_of, unbiased
from shared.auth.principal import Principal
from shared.auth.roles import Role
from shared.errors import Invalid
from shared.records import spells
from shared.records.document import Record
from shared.records.fields import Code, CreditCode, Day, Flag, Text, TownCode
from shared.records.image import faults_of
from shared.records.kind import OWNERS, Kind, RecordSchema, refuse
from shared.records.workflow import STAY, Context, Guard, Image, Request, Step, Workflow, first_day, step
from shared.standards.codes import members

LEVELS = members("levels")
COUNTING = ("accredited", "rectifying")
AT_BUREAU = ("town_recommended", "formal_review", "expert_review", "proposed")
UNDER_WAY = ("submitted", *AT_BUREAU)
EXTERNAL = frozenset({"municipal", "provincial", "national"})  # granted outside the district: what is recorded here is a 文号


class Platform(Record):
    """A platform."""

    meta = {"collection": "platforms"}


class AccreditationSchema(Schema):
    """One accreditation; `supersedes` ends the lower ones on granted_on."""

    level = Code("levels", required=True, metadata={"description": "级别"})
    doc_no = Text(metadata={"description": "文号"})
    granted_on = Day(required=True, metadata={"description": "认定日期"})
    valid_to = Day(metadata={"description": "有效期止, exclusive"})
    supersedes = Flag(metadata={"description": "替代低级别认定"})
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
    if old is None and image["state"] == "publicity" and not image.get("publicity"):  # a feed brings a posted notice along
        public_notice.publish(image, Request("publish"), context)
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


def is_granted(image: Image, request: Request, context: Context) -> None:
    """What is proposed is a whole accreditation."""
    _granted(request)


def names_external(image: Image, request: Request) -> bool:
    """A 文号 of an authority above the district is recorded by one person and verified by another (D.2)."""
    return (request.accreditation or {}).get("level") in EXTERNAL


def alone_on_external(image: Image, request: Request) -> bool:
    """So it is with an approver's, unless it is the very one that a reviewer recorded when proposing the platform."""
    return names_external(image, request) and request.accreditation != image.get("proposed_accreditation")


def begin_review(image: Image, request: Request, context: Context) -> None:
    """A review by experts, anew where an objection led to it."""
    public_notice.uphold(image, request, context)
    new_panel(image)


def propose(image: Image, request: Request, context: Context) -> None:
    """拟认定, perhaps with the accreditation to be granted, or that an authority above the district has granted already."""
    if request.accreditation:
        image["proposed_accreditation"] = _granted(request)


def give_back(image: Image, request: Request, context: Context) -> None:
    """What was objected to or proposed is over with the return."""
    public_notice.uphold(image, request, context)
    image.pop("proposed_accreditation", None)


def accredit(image: Image, request: Request, context: Context) -> None:
    """The accreditation that is named, else what a reviewer or the host recorded: two hands either way."""
    proposed = image.pop("proposed_accreditation", None)
    grant = _granted(request) if request.accreditation else proposed
    if grant:
        image["accreditations"] = [grant]
    elif not image.get("accreditations"):
        raise refuse("/accreditation", "required", "必须给出认定级别与文号 the accreditation is needed")
    granted = min(grant["granted_on"] for grant in image["accreditations"])
    image["states"] = spells.changed(image["states"], image["state"], request.effective_on or granted)
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
    """Every accreditation ends on the effective day; of a platform that never was accredited none ever held."""
    if not any(spell["value"] in COUNTING for spell in image["states"]):
        image["accreditations"] = [grant | {"ended_on": grant["granted_on"]} for grant in image.get("accreditations") or ()]
    revoke(image, Request(request.action, effective_on=first_day(image, request, context)), context)


def transfer(image: Image, request: Request, context: Context) -> None:
    """Another host from the effective day on; the platform stays the same."""
    into = receiver(request)
    image["hosts"] = spells.changed(image.get("hosts") or [], into, first_day(image, request, context))
    image["host_uscc"] = into


TOWN, BUREAU = Role.TOWN_REVIEWER, Role.BUREAU_REVIEWER
HANDED_IN = frozenset({"post", "submit"})  # S1
ANYBODY = tuple(set(Role) - {Role.AUDITOR, Role.SYSADMIN, Role.METRICS, Role.DPO})


def review(from_: str | tuple[str, ...], action: str, to: str, needs: Guard | None = None, **more: Any) -> Step:
    """A step of the bureau's review: not by who handed the file in (S1) or saw it for the town (S2), nor who is biased (S5)."""
    guard = all_of(unbiased, needs) if needs else unbiased
    return step(from_, action, to, BUREAU, apart=HANDED_IN | {"recommend"}, guard=guard, **more)


WORKFLOW = Workflow(
    (
        step("draft", "submit", "submitted", tuple(OWNERS)),
        step("submitted", "recommend", "town_recommended", TOWN, apart=HANDED_IN, guard=unbiased),
        step("submitted", "return", "draft", TOWN, needs_reason=True, apart=HANDED_IN, guard=unbiased),
        review("town_recommended", "accept", "formal_review"),
        review("formal_review", "start_expert_review", "expert_review", effect=begin_review),
        review("expert_review", "propose", "proposed", needs=panel_is_whole, effect=propose),
        review("proposed", "publish", "publicity", effect=public_notice.publish),
        review(AT_BUREAU, "return", "draft", needs_reason=True, effect=give_back),
        step("publicity", "object", "formal_review", ANYBODY, needs_reason=True, effect=public_notice.object_),
        step("formal_review", "resolve", "publicity", BUREAU, needs_reason=True, second_hand=True,
             guard=all_of(unbiased, public_notice.is_open), effect=public_notice.resolve),
        step("publicity", "accredit", "accredited", Role.BUREAU_APPROVER, second_hand=True, proposes=alone_on_external,
             guard=all_of(unbiased, public_notice.has_stood), effect=accredit),
        step(("draft", *UNDER_WAY), "accredit", "accredited", (), effect=accredit),  # a feed reports the notice
        step("accredited", "rectify", "rectifying", BUREAU, needs_reason=True),
        step("rectifying", "restore", "accredited", BUREAU),
        step(COUNTING, "upgrade", STAY, BUREAU, other_hand=True, proposes=names_external, guard=is_granted, effect=upgrade),
        step(COUNTING, "revoke", "revoked", BUREAU, needs_reason=True, other_hand=True, guard=has_level, effect=revoke, stays=others_remain),
        step(COUNTING, "expire", "expired", BUREAU, effect=end_all),
        step(("draft", *UNDER_WAY, *COUNTING), "withdraw", "withdrawn", tuple(OWNERS), effect=end_all),
        step(COUNTING, "transfer", STAY, BUREAU, other_hand=True, guard=has_receiver, effect=transfer),
    ),
    counting=frozenset(COUNTING),
)


def levels_on(image: Image, day: str) -> Image:
    """The levels at which it was accredited on a day."""
    held = {grant["level"] for grant in image.get("accreditations") or ()
            if grant["granted_on"] <= day and not _ended_by(grant, day) and not _lapsed(grant, day)}
    levels = [level for level in LEVELS if level in held]
    return {"levels": levels, "in_effect": bool(levels) and spells.value_on(image["states"], day) in COUNTING}


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
    attaches=("application", "licence", "other"),
    on_day=levels_on,
    seen_on=public_notice.seen_on,
    ends=last_accreditation_ends,
)
