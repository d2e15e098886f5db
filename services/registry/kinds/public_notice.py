"""Public notice 公示 of a platform: so many working days, the day of posting not counted, to 24:00; an objection stops the clock."""

from __future__ import annotations

from datetime import date

from shared.auth.roles import Role
from shared.errors import Fault, RuleBroken
from shared.records.kind import refuse
from shared.records.workflow import Context, Image, Request
from shared.standards.workdays import add_workdays, workdays_between

LEAST_WORKING_DAYS = 5  # the common length (D.4); a rule that wants more says so in `working_days` of publish


def publish(image: Image, request: Request, context: Context) -> None:
    """Post the notice, whole, also where one stood before an objection that led to a new review."""
    days = LEAST_WORKING_DAYS if request.working_days is None else request.working_days
    if days < LEAST_WORKING_DAYS:
        raise refuse("/working_days", "too_short", f"公示期不少于{LEAST_WORKING_DAYS}个工作日 at least {LEAST_WORKING_DAYS} working days")
    image["publicity"] = _posted(context.today, days) | {"working_days": days}


def _posted(on: date, days: int) -> Image:
    return {"from": on.isoformat(), "until": add_workdays(on, days).isoformat()}


def object_(image: Image, request: Request, context: Context) -> None:
    """Anybody objects, with reasons, while the notice stands; the days that are left wait."""
    notice = image["publicity"]
    if over(image, context.today):
        raise RuleBroken(f"公示已于 {notice['until']} 期满 the notice is over", faults=[Fault("/action", "notice_over", "公示期已满")])
    left = max(workdays_between(context.today, date.fromisoformat(notice["until"])), 0)
    image["publicity"] = notice | {"left": left}
    image["objections"] = [*(image.get("objections") or []), {"at": context.now, "by": context.principal.actor, "state": "open"}]


def is_open(image: Image, request: Request, context: Context) -> None:
    """Only an open objection is resolved: without one a platform goes through its expert review."""
    if not open_objection(image):
        raise RuleBroken("there is no open objection to resolve")


def resolve(image: Image, request: Request, context: Context) -> None:
    """The objection does not hold: the notice stands again for the working days that were left."""
    close(image, "dismissed", context)
    notice = {name: value for name, value in image["publicity"].items() if name != "left"}
    image["publicity"] = notice | _posted(context.today, int(image["publicity"]["left"])) | {"from": notice["from"]}


def uphold(image: Image, request: Request, context: Context) -> None:
    """The file goes back, or through its review anew: whatever was objected to is taken up by that."""
    close(image, "upheld", context)


def close(image: Image, state: str, context: Context) -> None:
    """An open objection is decided on; the others stay as they were."""
    if open_objection(image):
        image["objections"] = [
            objection | {"state": state, "closed_at": context.now} if objection["state"] == "open" else objection
            for objection in image["objections"]
        ]


def open_objection(image: Image) -> bool:
    """Whether an objection waits for a decision."""
    return any(objection["state"] == "open" for objection in image.get("objections") or ())


def over(image: Image, today: date) -> bool:
    """Whether the notice's last day has passed."""
    return today.isoformat() > str((image.get("publicity") or {}).get("until") or "9999")


def seen_on(image: Image, today: date) -> Image:
    """How many working days a notice still stands, or waits for while an objection is open."""
    notice = image.get("publicity") or {}
    if image["state"] == "publicity":
        return {"working_days_left": max(workdays_between(today, date.fromisoformat(notice["until"])), 0)}
    return {"working_days_left": notice["left"]} if open_objection(image) else {}


def has_stood(image: Image, request: Request, context: Context) -> None:
    """Nothing is accredited before its notice has stood to the end; a feed reports what was accredited elsewhere."""
    if image["state"] == "publicity" and not over(image, context.today) and not context.principal.has(Role.DATA_FEED):
        until = image["publicity"]["until"]
        raise RuleBroken(f"公示至 {until} 24:00 the notice stands until then", faults=[Fault("/action", "notice_stands", f"公示期至 {until}")])
