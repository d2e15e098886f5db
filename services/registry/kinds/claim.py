"""Claims 认领: somebody says that a registered enterprise is theirs, and a reviewer of its town decides.

A granted claim makes the claimant one of the enterprise's `agents`, and that alone gives the scope (see services/registry/claims.py).
With `replaces` the earlier agents lose it, and what they had begun for the enterprise is the claimant's.
"""

from __future__ import annotations

from functools import partial

from services.registry.recusal import all_of, unbiased
from shared.auth.principal import Principal
from shared.auth.roles import Role
from shared.errors import Conflict, Fault, Forbidden, RuleBroken
from shared.records.document import Record
from shared.records.fields import Code, CreditCode, Flag, TownCode
from shared.records.kind import OWNERS, Kind, RecordSchema, refuse, same_keys
from shared.records.workflow import Context, Image, Request, Workflow, step

ENTERPRISES, PLATFORMS = "enterprises", "platforms"
REVIEWERS = (Role.TOWN_REVIEWER, Role.BUREAU_REVIEWER)


class Claim(Record):
    """A claim."""

    meta = {"collection": "claims"}


class ClaimSchema(RecordSchema):
    """A claim's own fields. Why stands in `reason`, which goes into no event."""

    uscc = CreditCode(required=True, metadata={"description": "被认领企业"})
    ground = Code("claim_grounds", metadata={"description": "认领事由"})
    replaces = Flag(metadata={"description": "取代现有经办人"})
    town_code = TownCode(metadata={"description": "镇街; the enterprise's own where it has one"})


def prepare(image: Image, old: Image | None, context: Context) -> None:
    """A claim is about an enterprise that is registered, and that the claimant does not act for already."""
    firm = context.find(ENTERPRISES, image["uscc"])
    if firm is None:
        raise refuse("/uscc", "unknown", "该企业尚未登记, 可直接登记 not registered yet: register it")
    if firm.get("town_code"):
        image["town_code"] = firm["town_code"]
    if old is not None:
        raise RuleBroken("a claim is decided on or taken back, never changed")
    actor = context.principal.actor
    if actor == firm["created_by"] or image["uscc"] in context.principal.enterprises:
        said = "您已是该企业经办人 you act for this enterprise already"
        raise Conflict(said, faults=[Fault("/uscc", "own", said)])
    image["claim_key"] = f"{actor}|{image['uscc']}"  # one open claim of a person for an enterprise


def of_the_town(image: Image, request: Request, context: Context) -> None:
    """A town decides on its own enterprises (S10); the bureau where no town is known yet, and for all of them."""
    principal = context.principal
    firm = context.find(ENTERPRISES, image["uscc"]) or {}
    town = firm.get("town_code") or image.get("town_code")
    if not principal.has(Role.BUREAU_REVIEWER) and (town is None or town != principal.town):
        raise Forbidden("another town's enterprise", faults=[Fault("/action", "other_town", "只能办理本镇街事项")])


def by_the_claimant(image: Image, request: Request, context: Context) -> None:
    """Nobody else takes a claim back."""
    if image["created_by"] != context.principal.actor:
        raise Forbidden("only who claims takes a claim back", faults=[Fault("/action", "not_yours", "仅认领人可撤回")])


def close(image: Image, request: Request, context: Context) -> None:
    """The claimant may claim again."""
    image.pop("claim_key", None)


def grant(image: Image, request: Request, context: Context) -> None:
    """The claimant acts for the enterprise from now on."""
    close(image, request, context)
    claimant, replaces = image["created_by"], bool(image.get("replaces"))
    former = _registrant(image["uscc"], context) if replaces else None

    def enter(firm: Image) -> None:
        firm["agents"] = [claimant] if replaces else sorted({*(firm.get("agents") or []), claimant})
        _hand_over(firm, former, claimant)

    context.work.change(ENTERPRISES, image["uscc"], enter, "grant_claim", reason=request.reason)
    theirs = context.work.matching(PLATFORMS, {"host_uscc": image["uscc"], "created_by": former}) if former else []
    for platform in theirs:
        hand = partial(_hand_over, former=former, claimant=claimant)
        context.work.change(PLATFORMS, platform["id"], hand, "hand_over", reason=request.reason)


def _registrant(uscc: str, context: Context) -> str | None:
    """Who registered the enterprise, unless a feed did: what a feed reported stays the feed's."""
    firm = context.find(ENTERPRISES, uscc) or {}
    hands = context.work.beside("changes").find({"kind": ENTERPRISES, "record_id": uscc, "actor": firm.get("created_by")})
    return str(firm["created_by"]) if not any(Role.DATA_FEED in hand["role"].split(",") for hand in hands) else None


def _hand_over(record: Image, former: str | None, claimant: str) -> None:
    if former is not None and record["created_by"] == former:
        record["created_by"] = claimant


def initial(principal: Principal, image: Image) -> str:
    """It waits for a decision."""
    return "open"


WORKFLOW = Workflow(
    (
        step("open", "grant", "granted", REVIEWERS, apart=frozenset({"post"}), guard=all_of(unbiased, of_the_town), effect=grant),
        step("open", "refuse", "refused", REVIEWERS, needs_reason=True, apart=frozenset({"post"}),
             guard=all_of(unbiased, of_the_town), effect=close),
        step("open", "withdraw", "withdrawn", tuple(OWNERS), guard=by_the_claimant, effect=close),
    ),
    counting=frozenset(),
    feed_always=False,
)

KIND = Kind(
    "claims",
    "claim",
    Claim,
    ClaimSchema(),
    WORKFLOW,
    same_keys("uscc"),
    "企业认领",
    prepare=prepare,
    initial=initial,
    posters=OWNERS,
    readers=frozenset({*REVIEWERS, Role.AUDITOR, Role.DPO}),
    deciders=frozenset(),
    editable={"open": frozenset()},  # nothing is changed, evidence may be attached
    unique_while_present=("claim_key",),
    attaches=("authorisation", "licence", "other"),
    search_field="uscc",
)
