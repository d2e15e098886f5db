"""Where an application stands: its state, the working-day clock of that state, and its ledger of dated amounts.

A clock runs in Chinese working days, stands still while the file is with the applicant, and goes on where it stood when
the file comes back to the same desk.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date

from shared.records import spells
from shared.records.workflow import Context, Image
from shared.standards.workdays import CalendarMissing, add_workdays, workdays_between

DUE_DAYS: Mapping[str, int] = {  # working days of each desk unless the policy says otherwise
    "submitted": 5, "accepted": 10, "reviewed": 5, "proposed": 3, "objection": 10, "approved": 10, "payment_ordered": 5,
}  # fmt: skip
WITH_APPLICANT = frozenset({"draft", "returned", "payment_failed"})
STANDING = frozenset({"publicity", "waiting", "suspended", *WITH_APPLICANT})  # nobody's desk is late meanwhile
YELLOW_DAYS = 2
ENDED = frozenset({"rejected", "withdrawn", "revoked", "recovered", "written_off"})
DEAD = ENDED  # a file that no longer stands in the way of another one


def enter(image: Image, state: str, context: Context) -> None:
    """Put the application into a state with its spell; the step's own line does the rest of what a step does."""
    image["state"] = state
    image["states"] = spells.changed(image.get("states") or [], state, context.today.isoformat())
    start_clock(image, context.today)


def start_clock(image: Image, today: date, days: Mapping[str, int] | None = None) -> None:
    """Stop the clock of the state that was left and start that of the present one."""
    clock = dict(image.get("clock") or {"spent": 0, "left": {}})
    clock["left"] = dict(clock["left"])
    before, state = clock.get("state"), image["state"]
    if before == state:
        return
    if before not in (None, *WITH_APPLICANT):
        clock["spent"] += max(workdays_between(date.fromisoformat(clock["since"]), today), 0)
    if clock.get("due_on"):
        left = max(workdays_between(today, date.fromisoformat(clock["due_on"])), 0)
        clock["left"].pop(before, None)
        if state in WITH_APPLICANT:
            clock["left"][before] = max(left, 1)
    clock.update(state=state, since=today.isoformat())
    clock.pop("due_on", None)
    clock.pop("escalated", None)
    number = clock["left"].pop(state, None) or (days or clock.get("days") or DUE_DAYS).get(state) or DUE_DAYS.get(state)
    if number and state not in STANDING | ENDED:
        clock["due_on"] = add_workdays(today, number).isoformat()
    image["clock"] = clock


def seen_on(image: Image, today: date) -> Image:
    """Lights of a day: green, yellow from two working days before the end, red after it; `paused` at the applicant's."""
    clock = image.get("clock") or {}
    if image["state"] in WITH_APPLICANT - {"draft"}:
        return {"light": "paused"}
    if not clock.get("due_on"):
        return {}
    due = date.fromisoformat(clock["due_on"])
    return {"light": light(due, today), "due_on": clock["due_on"], "working_days_left": workdays_between(today, due)}


def light(due: date, today: date) -> str:
    """green, yellow or red."""
    if today > due:
        return "red"
    return "yellow" if workdays_between(today, due) <= YELLOW_DAYS else "green"


def note(image: Image, entry: str, amount_fen: int, on: str, **more: int) -> None:
    """Add a dated amount to the application's ledger; the figures of the district are sums of these entries."""
    line = {"entry": entry, "on": on, "amount_fen": amount_fen, **more}
    image["entries"] = [*(image.get("entries") or []), line]


def handling_days(image: Image, today: date) -> int:
    """Working days that the offices have had the file, up to today."""
    clock = image.get("clock") or {}
    running = clock.get("state") not in (None, *WITH_APPLICANT) and clock.get("since")
    since = workdays_between(date.fromisoformat(clock["since"]), today) if running else 0
    return int(clock.get("spent", 0)) + max(since, 0)


def past_handling_days(first: str, last: str) -> int | None:
    """Working days between two days of an old file; None where no calendar reaches so far back."""
    try:
        return max(workdays_between(date.fromisoformat(first), date.fromisoformat(last)), 0)
    except CalendarMissing:
        return None
