"""Talent introductions 人才引进: registered is what counts; a person counts once, whoever introduces (D.3, C.8)."""

from __future__ import annotations

from marshmallow import fields

from services.incentives.kinds.person import PersonSchema, revealers
from shared.auth.principal import Principal
from shared.auth.roles import Role
from shared.errors import Forbidden
from shared.records.document import Record
from shared.records.fields import Code, CreditCode, Day, Month, Text, TownCode
from shared.records.kind import OWNERS, Kind, RecordSchema, refuse
from shared.records.workflow import Context, Image, Request, Workflow, first_day, step, verify

COUNTING = ("registered", "departed")
OFFICER = Role.HR_OFFICER


class Introduction(Record):
    """An introduction."""

    meta = {"collection": "introductions"}


class IntroductionSchema(RecordSchema):
    """An introduction's own fields."""

    person = fields.Nested(PersonSchema, required=True, metadata={"description": "个人信息 (personal)"})
    employer_uscc = CreditCode(required=True, metadata={"description": "用人单位"})
    town_code = TownCode(required=True, metadata={"description": "入职时所在镇街"})
    degree_level = Code("degrees", required=True, metadata={"description": "学历"})
    hired_on = Day(required=True, metadata={"description": "入职日期"})
    intro_mode = Code("intro_modes", required=True, metadata={"description": "引进方式"})
    school = Text(metadata={"description": "毕业院校"})
    graduated_on = Day(metadata={"description": "毕业日期"})
    social_ins_first_month = Month(metadata={"description": "社保首月"})
    service_until = Day(metadata={"description": "服务期止"})
    departed_on = Day(metadata={"description": "离职日期"})
    talent_confirmed_on = Day(metadata={"description": "本人确认日期; an employer submits with it"})


def initial(principal: Principal, image: Image) -> str:
    """A feed reports what is registered, an officer opens a file, an enterprise begins a draft."""
    if principal.has(Role.DATA_FEED):
        return "registered"
    return "verifying" if principal.has(Role.HR_OFFICER) else "draft"


def confirmed_by_the_person(image: Image, request: Request, context: Context) -> None:
    """An employer hands in what the person has agreed to (D.3; PIPL art. 13)."""
    if not context.principal.has(OFFICER, Role.DATA_FEED) and not image.get("talent_confirmed_on"):
        raise refuse("/talent_confirmed_on", "required", "须经人才本人确认 the person's confirmation is needed")


def by_its_submitter(image: Image, request: Request, context: Context) -> None:
    """Only who handed a file in takes it back, before it is registered (D.3)."""
    principal = context.principal
    mine = image["created_by"] == principal.actor or (principal.has(*OWNERS) and principal.enterprise == image.get("employer_uscc"))
    if not mine and not principal.has(Role.DATA_FEED):
        raise Forbidden("由提交人撤回 only its submitter withdraws a file")


def register(image: Image, request: Request, context: Context) -> None:
    """What is registered was so from its first day, not since the click; a person who counts already is flagged, for a
    reviewer to look at the pair."""
    verify(image, request, context)
    others = {"person_key": image["person_key"], "state": {"$in": list(COUNTING)}, "_id": {"$ne": image["id"]}}
    if context.work.matching("introductions", others, limit=1):
        image["duplicate_person"] = True


def depart(image: Image, request: Request, context: Context) -> None:
    """The person left; the cumulative figure keeps the introduction."""
    image["departed_on"] = first_day(image, request, context)


def into_a_counting_one(image: Image, request: Request, context: Context) -> None:
    """Only the other record counts from now on, so it must count and stay as it is."""
    other = context.work.hold("introductions", request.into or "")
    if other is None or other["id"] == image["id"]:
        raise refuse("/into", "unknown", "并入的记录不存在 no such record")
    if other["state"] not in COUNTING:
        raise refuse("/into", "not_counting", "并入的记录未生效 the record does not count")


def merge(image: Image, request: Request, context: Context) -> None:
    """The same person as another record's."""
    other, before = context.find("introductions", request.into or ""), context.find("introductions", image["id"])
    assert other is not None, "the guard holds it"
    assert before is not None, "it is stored as it was until this step is"
    image["merged_into"] = {"id": other["id"], "person_key": other["person_key"], "from_state": before["state"]}


def unmerge(image: Image, request: Request, context: Context) -> None:
    """Both records stand again as they did."""
    merged = image.pop("merged_into")
    image["merged_before"], image["state"] = merged["person_key"], merged["from_state"]


def departure_of_a_feed(image: Image, old: Image | None, context: Context) -> None:
    """A departed record says when; another employer's record of the person is flagged."""
    if image["state"] == "departed" and not image.get("departed_on"):
        image["departed_on"] = context.today.isoformat()


OPEN = ("draft", "submitted", "verifying", "returned")
WORKFLOW = Workflow(
    (
        step(("draft", "returned"), "submit", "submitted", (*OWNERS, OFFICER), guard=confirmed_by_the_person),
        step("submitted", "start_verification", "verifying", OFFICER, second_hand=True),
        step(("submitted", "verifying"), "return", "returned", OFFICER, needs_reason=True),
        step(("submitted", "verifying"), "reject", "rejected", OFFICER, needs_reason=True, second_hand=True),
        step("verifying", "register", "registered", OFFICER, second_hand=True, effect=register),
        step("registered", "depart", "departed", (*OWNERS, OFFICER), effect=depart),
        step(COUNTING, "invalidate", "invalidated", OFFICER, needs_reason=True, second_hand=True),
        step(COUNTING, "merge", "merged", OFFICER, needs_reason=True, second_hand=True, guard=into_a_counting_one, effect=merge),
        step("merged", "unmerge", "registered", OFFICER, needs_reason=True, effect=unmerge),
        step(OPEN, "withdraw", "withdrawn", (*OWNERS, OFFICER), guard=by_its_submitter),
    ),
    counting=frozenset(COUNTING),
    feed_always=True,
)


def subject_keys(image: Image) -> list[str]:
    """The person; after a merge, both."""
    merged = image.get("merged_into") or {}
    named = [image["person_key"], merged.get("person_key"), image.get("merged_before")]
    return [key for key in dict.fromkeys(named) if key] or [image["id"]]


KIND = Kind(
    "introductions",
    "introduction",
    Introduction,
    IntroductionSchema(),
    WORKFLOW,
    subject_keys,
    "人才引进",
    prepare=departure_of_a_feed,
    first_day="hired_on",
    initial=initial,
    posters=frozenset({Role.DATA_FEED, Role.HR_OFFICER, Role.ENTERPRISE_AGENT, Role.ENTERPRISE_REP}),
    owner_fields=("employer_uscc",),
    personal=("person",),
    revealers=revealers,
    identity=("person_key", "employer_uscc", "hired_on"),
    derived=("duplicate_person",),
    search_field="school",
)
