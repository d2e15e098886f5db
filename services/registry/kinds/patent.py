"""专利: in force from grant until it lapses, at most 20 years from filing (专利法; C.11)."""

from __future__ import annotations

from services.registry.kinds.transfer import has_receiver, receiver
from shared.auth.roles import Role
from shared.records import spells
from shared.records.document import Record
from shared.records.endings import of_spells
from shared.records.fields import Code, CreditCode, Day, PatentNumber
from shared.records.kind import Kind, RecordSchema, refuse
from shared.records.workflow import STAY, Context, Image, Request, fact_workflow, first_day, step


class Patent(Record):
    """A patent."""

    meta = {"collection": "patents"}


class PatentSchema(RecordSchema):
    """A patent. Its own fields."""

    patent_no = PatentNumber(required=True, metadata={"description": "专利号"})
    patent_kind = Code("patent_kinds", required=True, metadata={"description": "类型"})
    granted_on = Day(required=True, metadata={"description": "授权公告日"})
    filed_on = Day(metadata={"description": "申请日"})
    first_patentee_uscc = CreditCode(required=True, metadata={"description": "第一专利权人"})


def prepare(image: Image, old: Image | None, context: Context) -> None:
    """Holders and force as spells from the grant on."""
    began = image["granted_on"]
    for field, value in (("holders", image["first_patentee_uscc"]), ("in_force", True)):
        if not image.get(field):
            image[field] = spells.opened(value, began)
        elif old is not None and old["granted_on"] != began and image[field][0]["from"] == old["granted_on"]:
            image[field] = [{**image[field][0], "from": began}, *image[field][1:]]


def lapse(image: Image, request: Request, context: Context) -> None:
    """未缴年费 or 无效宣告: not in force from the effective day."""
    image["in_force"] = spells.closed(image["in_force"], first_day(image, request, context))


def has_lapsed(image: Image, request: Request, context: Context) -> None:
    """Only what lapsed is restored, and not before it lapsed."""
    ended = image["in_force"][-1]["to"] if image["in_force"] else ""
    if ended is None:
        raise refuse("/action", "in_force", "专利仍有效 the patent is in force")
    if first_day(image, request, context) < ended:
        raise refuse("/effective_on", "order", f"恢复日不得早于失效日 {ended} not before it lapsed")


def restore(image: Image, request: Request, context: Context) -> None:
    """权利恢复: in force anew."""
    image["in_force"] = [*image["in_force"], {"from": first_day(image, request, context), "to": None, "value": True}]


def transfer(image: Image, request: Request, context: Context) -> None:
    """Another first patentee from the effective day on."""
    into = receiver(request)
    image["holders"] = spells.changed(image["holders"], into, first_day(image, request, context))
    image["first_patentee_uscc"] = into


def subject_keys(image: Image) -> list[str]:
    """Every holder, now or earlier."""
    return list(dict.fromkeys([image["first_patentee_uscc"], *(spell["value"] for spell in image["holders"])]))


def in_force_on(image: Image, day: str) -> Image:
    """A patent that lapsed for a while was not in effect then."""
    verified = spells.value_on(image["states"], day) == "verified"
    return {"in_effect": verified and bool(spells.value_on(image["in_force"], day))}


BUREAU = (Role.BUREAU_REVIEWER,)
WORKFLOW = fact_workflow(
    extra=(
        step("verified", "lapse", STAY, BUREAU, needs_reason=True, effect=lapse),
        step("verified", "restore", STAY, BUREAU, needs_reason=True, guard=has_lapsed, effect=restore),
        step("verified", "transfer", STAY, BUREAU, other_hand=True, guard=has_receiver, effect=transfer),
    )
)


KIND = Kind(
    "patents",
    "patent",
    Patent,
    PatentSchema(),
    WORKFLOW,
    subject_keys,
    "专利",
    natural_key="patent_no",
    prepare=prepare,
    first_day="granted_on",
    owner_fields=("first_patentee_uscc",),
    spelled={"first_patentee_uscc": "holders"},
    on_day=in_force_on,
    ends=of_spells("in_force"),
)
