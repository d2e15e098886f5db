"""Enterprises 企业: self-registration, reviews, and the spells of town, industry, cluster and existence (D.1, C.11)."""

from __future__ import annotations

from typing import Any

from marshmallow import fields, validate

from services.registry.recusal import unbiased
from shared.auth.principal import Principal
from shared.auth.roles import Role
from shared.clock import parse_instant
from shared.errors import Conflict, Fault
from shared.records import spells
from shared.records.document import Record
from shared.records.endings import of_spells
from shared.records.fields import Code, CreditCode, Day, Flag, IndustryCode, Text, TownCode
from shared.records.kind import Kind, RecordSchema, refuse
from shared.records.workflow import Context, Image, Request, Step, Workflow, first_day, step

COUNTING = ("active", "abnormal_listed")
ENDED = ("deregistered", "moved_out", "licence_revoked", "merged")
SPELLED = {
    "name": "names",
    "town_code": "towns",
    "industry_code": "industries",
    "cluster_codes": "clusters",
    "in_hitech_zone": "in_hitech_zone_spells",
}
TOWN, BUREAU = Role.TOWN_REVIEWER, Role.BUREAU_REVIEWER
SHORT_NAME = 6  # of more characters than that the last two are shown: the form of company
HANDED_IN = frozenset({"post", "submit"})  # S1: whoever did this reviews nothing of it


class Enterprise(Record):
    """An enterprise."""

    meta = {"collection": "enterprises"}


class EnterpriseSchema(RecordSchema):
    """An enterprise's own fields."""

    uscc = CreditCode(required=True, metadata={"description": "统一社会信用代码, GB 32100-2015"})
    name = Text(required=True, metadata={"description": "企业名称"})
    town_code = TownCode(required=True, metadata={"description": "镇街, GB/T 2260 nine digits"})
    industry_code = IndustryCode(required=True, metadata={"description": "行业小类, GB/T 4754"})
    established_on = Day(required=True, metadata={"description": "成立日期"})
    active_from = Day(metadata={"description": "在本区存续起始日 (data feed only)"})
    former_names = fields.List(Text(), metadata={"description": "曾用名"})
    registrar = Text(metadata={"description": "登记机关"})
    address = Text(metadata={"description": "住所"})
    cluster_codes = fields.List(Code("clusters"), metadata={"description": "产业集群, the first is the main one"})
    in_hitech_zone = Flag(metadata={"description": "高新区内"})
    legal_rep_name = Text(metadata={"description": "法定代表人 (personal)"})
    contact_name = Text(metadata={"description": "联系人 (personal)"})
    contact_phone = Text(metadata={"description": "联系电话 (personal)"})
    contact_email = fields.Email(validate=validate.Length(max=254), metadata={"description": "联系邮箱, for reminders (personal)"})


def initial(principal: Principal, image: Image) -> str:
    """A feed reports what exists; an agent begins a draft."""
    return "active" if principal.has(Role.DATA_FEED) else "draft"


def prepare(image: Image, old: Image | None, context: Context) -> None:
    """Open the spells of a new record, and of attributes that were not known before."""
    if image.get("active_from") and old is None and not context.principal.has(Role.DATA_FEED):
        raise refuse("/active_from", "not_allowed", "仅数据源可填 data feed only")
    known = image.get("active_from") or image.get("established_on")
    began = known or context.today.isoformat()
    for name, field in SPELLED.items() if known else ():  # a draft has no first day yet: it says only what it is
        if image.get(name) is not None and not image.get(field):
            image[field] = spells.opened(image[name], began)
    if former := _former_names(image):
        image["former_names"] = former
    image.setdefault("alive", [])
    if old is None:
        _first_spells(image, began, context.today.isoformat())
    elif not image["alive"] or (len(image["alive"]) == 1 and image["alive"][0]["to"] is None):
        _shift_start(image, old, began)


def _first_spells(image: Image, began: str, today: str) -> None:
    """A living enterprise lives since it began, one that ended did so until then; a file under way begins today."""
    state = image["state"]
    if state not in (*COUNTING, *ENDED):
        image["states"] = spells.opened(state, today)
        return
    image["alive"] = spells.opened(True, began)
    image["states"] = spells.opened(state if state in COUNTING else "active", began)
    if state in ENDED:
        ended = last_day_of_history(image) or today
        image["alive"] = spells.closed(image["alive"], ended)
        image["states"] = spells.changed(image["states"], state, ended)


def _former_names(image: Image) -> list[str]:
    """The names that it had, as given and as its changes of name left them."""
    had = [*(image.get("former_names") or []), *(spell["value"] for spell in image.get("names") or ())]
    return [name for name in dict.fromkeys(had) if name != image.get("name")]


def last_day_of_history(image: Image) -> str | None:
    """The local date of the last given step of a record that an office brings along."""
    given = image["hands"][:-1]  # the newest hand is the posting itself
    if not given:
        return None
    return parse_instant(given[-1]["at"]).date().isoformat()


def _shift_start(image: Image, old: Image, began: str) -> None:
    """A corrected founding day corrects the first day of every first spell."""
    before = old.get("active_from") or old.get("established_on")
    if before == began:
        return
    for field in ("alive", *SPELLED.values()):
        if image.get(field) and image[field][0]["from"] == before:
            image[field] = [{**image[field][0], "from": began}, *image[field][1:]]


def come_alive(image: Image, request: Request, context: Context) -> None:
    """Approval: it exists in the district since its founding, not since the click, unless told otherwise."""
    day = request.effective_on or image.get("active_from") or image["established_on"]
    image["alive"] = spells.changed(image.get("alive") or [], True, day)
    image["states"] = spells.changed(image["states"], image["state"], day)


def end(image: Image, request: Request, context: Context) -> None:
    """It no longer counts from the effective day on."""
    image["alive"] = spells.closed(image.get("alive") or [], first_day(image, request, context))


def left_before(image: Image, request: Request, context: Context) -> None:
    """Nobody comes back before having left."""
    left = (image.get("alive") or [{}])[-1].get("to")
    if left and first_day(image, request, context) < left:
        raise refuse("/effective_on", "order", f"迁回日不得早于迁出日 {left} not before it left")


def come_back(image: Image, request: Request, context: Context) -> None:
    """The same code returns: a new spell."""
    image["alive"] = [*(image.get("alive") or []), {"from": first_day(image, request, context), "to": None, "value": True}]


def into_another(image: Image, request: Request, context: Context) -> None:
    """The enterprise that it goes into must exist, and go on existing."""
    into = context.work.hold("enterprises", request.into) if request.into and request.into != image["id"] else None
    if into is None:
        raise refuse("/into", "unknown", "并入的企业不存在 no such enterprise")
    if into["state"] not in COUNTING:
        raise refuse("/into", "not_counting", f"并入的企业不在存续状态 it is {into['state']}")


def merge(image: Image, request: Request, context: Context) -> None:
    """It goes into another enterprise."""
    image["merged_into"] = request.into
    end(image, request, context)


def review(from_: str, action: str, to: str, by: Role, **more: Any) -> Step:
    """A step of a review: not by who handed the file in (S1), nor at the bureau by who saw it for the town (S2)."""
    return step(from_, action, to, by, apart=HANDED_IN if by == TOWN else HANDED_IN | {"recommend"}, guard=unbiased, **more)


def taken(holder: Image, path: str) -> Conflict:
    """What a second registrant is told: enough to know the file as one's own, not who opened it, and how to claim it."""
    name = str(holder["name"])
    shown = 2 if len(name) > SHORT_NAME else 0
    hint = {"name": f"{name[:1]}{'*' * (len(name) - 1 - shown)}{name[len(name) - shown:]}", "state": holder["state"]}
    said = f"该统一社会信用代码已登记({hint['name']}); 如系本企业, 请认领 registered already; if it is yours, claim it"
    facts = {"hint": hint, "claim": f"{path}/{holder['id']}/claims"}
    return Conflict(said, faults=[Fault("/uscc", "duplicate", said)], facts=facts)


WORKFLOW = Workflow(
    (
        step(("draft", "returned"), "submit", "submitted", Role.ENTERPRISE_AGENT),
        review("submitted", "recommend", "bureau_review", TOWN),
        review("submitted", "return", "returned", TOWN, needs_reason=True),
        review("bureau_review", "return", "returned", BUREAU, needs_reason=True),
        review("bureau_review", "approve", "active", BUREAU, effect=come_alive),
        review("bureau_review", "reject", "rejected", BUREAU, needs_reason=True),
        step("active", "list_abnormal", "abnormal_listed", ()),  # the market bureau's feed alone
        step("abnormal_listed", "unlist_abnormal", "active", ()),
        step(COUNTING, "move_out", "moved_out", BUREAU, proposes=True, effect=end),
        step("moved_out", "move_in", "active", BUREAU, proposes=True, guard=left_before, effect=come_back),
        step(COUNTING, "deregister", "deregistered", BUREAU, proposes=True, effect=end),
        step(COUNTING, "revoke_licence", "licence_revoked", BUREAU, proposes=True, effect=end),
        step(COUNTING, "merge", "merged", BUREAU, proposes=True, guard=into_another, effect=merge),
    ),
    counting=frozenset(COUNTING),
    feed_always=False,
    feed_actions=frozenset(
        {"list_abnormal", "unlist_abnormal", "move_out", "move_in", "deregister", "revoke_licence", "merge"}
    ),
)


def subject_keys(image: Image) -> list[str]:
    """Its own code, and the one it merged into."""
    return [image["id"], *([image["merged_into"]] if image.get("merged_into") else [])]


KIND = Kind(
    "enterprises",
    "enterprise",
    Enterprise,
    EnterpriseSchema(),
    WORKFLOW,
    subject_keys,
    "企业",
    natural_key="uscc",
    prepare=prepare,
    spelled=SPELLED,
    first_day="established_on",
    initial=initial,
    draft_needs=("uscc", "name"),
    posters=frozenset({Role.DATA_FEED, Role.ENTERPRISE_AGENT, Role.ENTERPRISE_REP}),
    personal=("legal_rep_name", "contact_name", "contact_phone", "contact_email"),
    revealers=frozenset({Role.BUREAU_REVIEWER, Role.DPO}),
    indexes=(("agents",),),
    taken=taken,
    reopens=frozenset({"rejected"}),
    attaches=("licence", "address", "other"),
    ends=of_spells("alive"),
)
