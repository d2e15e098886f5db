"""A workflow is a table that one can read aloud: from which state, by what action, to which state, by whom."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import date
from typing import Any, Protocol

from shared.auth.principal import Principal
from shared.auth.roles import Role
from shared.records import spells

Image = dict[str, Any]
MOST_FAULTS = 100  # that a return names
LONGEST_NOTICE = 250  # working days of a public notice: a year
STAY = "="  # the action leaves the state as it is


class Work(Protocol):
    """The transaction that a rule runs in. What it does here is written with the rule's own record, or not at all."""

    writes: bool  # False where a record is only being prepared

    def find(self, kind: str, record_id: str) -> Image | None:
        """Another record as it stands."""

    def hold(self, kind: str, record_id: str) -> Image | None:
        """Another record, which nobody else changes before this transaction ends."""

    def create(self, kind: str, body: Image, *, state: str | None = None, reason: str | None = None) -> Image:
        """Another new record, with its change document."""

    def change(
        self, kind: str, record_id: str, edit: Callable[[Image], None], action: str, *, reason: str | None = None,
        effective_on: str | None = None,
    ) -> Image:
        """Another record's next version, with its change document."""

    def step(self, kind: str, record_id: str, request: Request) -> Image:
        """A step of another record's workflow."""

    def matching(self, kind: str, where: Image, *, by: str = "_id", limit: int = 100) -> list[Image]:
        """Other records whose fields have these values, ordered by a field; keep `where` on an index."""

    def beside(self, collection: str) -> Any:
        """A collection of the service's own database that holds no records, in the same transaction."""

    def clear(self, kind: str, image: Image) -> Image:
        """The personal fields of another record's image in clear: for checks inside the service only."""


@dataclass(frozen=True)
class Context:
    """What a rule may know besides the record, and how it reaches others: `find` to look, `work` to write."""

    principal: Principal
    today: date
    now: str
    find: Callable[[str, str], Image | None]
    work: Work
    people: set[str] = field(default_factory=set)  # persons met in this batch already


@dataclass(frozen=True)
class Request:
    """A transition as asked for; `effective_on` is the first day of its effect."""

    action: str
    reason: str | None = None
    effective_on: str | None = None
    level: str | None = None
    accreditation: Image | None = None
    into: str | None = None
    amount_fen: int | None = None
    doc_no: str | None = None
    cause: str | None = None
    faults: list[dict[str, str]] | None = None  # of a return: [{pointer, message}], a reason for each field
    working_days: int | None = None  # of a public notice


Effect = Callable[[Image, Request, Context], None]
Guard = Callable[[Image, Request, Context], None]  # raises; asked when a step is taken and already when it is proposed


@dataclass(frozen=True)
class Step:
    """One line of the table.

    `second_hand`: nobody who already touched the file may do it (S1, S2, S7); `other_hand`: not whoever acted last;
    `apart`: nobody who took one of these actions on it (whoever returned a file may look at it again).
    `stays`: whether the state stays as it is this time (one of several accreditations revoked).
    """

    from_: tuple[str, ...]
    action: str
    to: str
    by: frozenset[Role]
    needs_reason: bool = False
    second_hand: bool = False
    other_hand: bool = False
    apart: frozenset[str] = frozenset()
    proposes: bool | Callable[[Image, Request], bool] = False  # by anyone but a feed it waits for a second person's confirm_change
    guard: Guard | None = None
    effect: Effect | None = None
    stays: Callable[[Image, Request, Context], bool] = lambda image, request, context: False

    def barred(self, image: Image, principal: Principal) -> bool:
        """Whether the caller acted on the file in a way that leaves this step to another person."""
        hands = image.get("hands") or []
        concerned = hands if self.second_hand else hands[-1:] if self.other_hand else ()
        earlier = {hand["actor"] for hand in concerned} | {hand["actor"] for hand in hands if hand["action"] in self.apart}
        return principal.actor in earlier

    def waits(self, image: Image, request: Request) -> bool:
        """Whether the step is only proposed, for a second person to confirm."""
        return self.proposes(image, request) if callable(self.proposes) else self.proposes


def step(from_: str | tuple[str, ...], action: str, to: str, by: Role | tuple[Role, ...], **more: Any) -> Step:
    """A Step with single values allowed."""
    states = (from_,) if isinstance(from_, str) else from_
    roles = (by,) if isinstance(by, Role) else by
    return Step(states, action, to, frozenset(roles), **more)


@dataclass(frozen=True)
class Workflow:
    """A table of steps. `feed_always`: a data feed may take these actions at once, whoever else may."""

    steps: tuple[Step, ...]
    counting: frozenset[str]
    feed_always: bool = True
    feed_actions: frozenset[str] = field(default_factory=frozenset)
    led_to: frozenset[str] = field(default_factory=frozenset)  # states that only an effect leads to

    @property
    def states(self) -> frozenset[str]:
        """Every state that the table names."""
        named = {state for line in self.steps for state in (*line.from_, line.to)}
        return frozenset(named - {STAY}) | self.led_to

    @property
    def actions(self) -> tuple[str, ...]:
        """Every action, in the table's order."""
        return tuple(dict.fromkeys(line.action for line in self.steps))

    def find(self, state: str, action: str) -> Step | None:
        """The line for an action in a state."""
        return next((line for line in self.steps if line.action == action and state in line.from_), None)

    def may(self, line: Step, principal: Principal) -> bool:
        """Whether a caller's roles allow a line."""
        feed = principal.has(Role.DATA_FEED) and (self.feed_always or line.action in self.feed_actions)
        return feed or principal.has(*line.by)

    def open_to(self, state: str, principal: Principal) -> Iterator[Step]:
        """The lines that a caller's roles allow in a state."""
        return (line for line in self.steps if state in line.from_ and self.may(line, principal))


def first_day(image: Image, request: Request, context: Context) -> str:
    """The first day of a transition's effect: as asked, else today."""
    return request.effective_on or context.today.isoformat()


VERIFYING = frozenset({"verify", "reinstate"})


def verify(image: Image, request: Request, context: Context) -> None:
    """What is verified was so from the record's first day, not since the click: a past day is told accordingly."""
    image["states"] = spells.opened(image["state"], image["states"][0]["from"])


def revoke(image: Image, request: Request, context: Context) -> None:
    """The record stops counting from the effective day; one that nobody had verified yet never counted."""
    verified = image["states"][0]["value"] == "verified" or any(hand["action"] in VERIFYING for hand in image.get("hands") or ())
    revoke_from(image, first_day(image, request, context) if verified else image["states"][0]["from"])


def revoke_from(image: Image, day: str) -> None:
    """The record is revoked from a day on, whatever day it is taken to be until then."""
    image.setdefault("revoked", []).append({"from": day, "to": None})
    image["states"] = spells.changed(image["states"], image["state"], day)


def reinstate(image: Image, request: Request, context: Context) -> None:
    """The record counts anew from the effective day."""
    revoked = image.get("revoked") or []
    if revoked and revoked[-1]["to"] is None:
        day = first_day(image, request, context)
        if day <= revoked[-1]["from"]:
            revoked.pop()
        else:
            revoked[-1]["to"] = day


REVIEWERS = (Role.BUREAU_REVIEWER,)


def fact_workflow(
    verifiers: tuple[Role, ...] = REVIEWERS, revoke_effect: Effect = revoke, extra: tuple[Step, ...] = ()
) -> Workflow:
    """A verified fact: one person records, another verifies; a revocation has its first day and can be taken back."""
    return Workflow(
        (
            step("recorded", "verify", "verified", verifiers, second_hand=True, effect=verify),
            step(("recorded", "verified"), "revoke", "revoked", verifiers, needs_reason=True, effect=revoke_effect),
            step("revoked", "reinstate", "verified", verifiers, needs_reason=True, other_hand=True, effect=reinstate),
            *extra,
        ),
        counting=frozenset({"verified"}),
    )
