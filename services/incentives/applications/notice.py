"""Public notice 公示: N working days that do not count the day of posting and end at 24:00; objections stop it."""

from __future__ import annotations

import hashlib
import json
from datetime import date

from services.incentives.applications.desk import close_objections
from services.incentives.applications.terms import policy_of
from shared.errors import RuleBroken
from shared.records.workflow import Context, Image, Request
from shared.standards.workdays import add_workdays, workdays_between


def publish(image: Image, request: Request, context: Context) -> None:
    """Post the notice. After an objection it runs on for the days that were left; a changed amount or name restarts it."""
    post(image, context.today, context)


def post(image: Image, on: date, context: Context) -> None:
    """The notice as posted on a day."""
    days = int(policy_of(image, context)["publicity_working_days"])
    said = content(image, context)
    before = image.get("publicity") or {}
    left = before.get("left") if before.get("content") == said else None
    until = add_workdays(on, days if left is None else int(left))
    image["publicity"] = {"from": on.isoformat(), "until": until.isoformat(), "working_days": days, "content": said}


def content(image: Image, context: Context) -> str:
    """A fingerprint of what the notice says: who, from whom, what for, how much."""
    introduction = context.find("introductions", image["introduction"]) if image.get("introduction") else None
    names = [image.get("applicant_name"), image.get("employer_name"), introduction and introduction["version"]]
    said = [image["applicant"], *names, image["policy_code"], image.get("item"), image["amount_fen"]]
    return hashlib.sha256(json.dumps(said, ensure_ascii=False).encode()).hexdigest()[:16]


def object_(image: Image, request: Request, context: Context) -> None:
    """Anybody objects, with reasons; what they are stays in the file's history."""
    publicity = image["publicity"]
    if over(image, context.today) and image["clock"]["state"] == "publicity":
        raise RuleBroken("公示期已满 the notice is over")
    publicity.setdefault("left", max(workdays_between(context.today, date.fromisoformat(publicity["until"])), 0))
    objection = {"by": context.principal.actor, "at": context.now, "state": "open"}
    image["objections"] = [*(image.get("objections") or []), objection]


def resolve(image: Image, request: Request, context: Context) -> None:
    """The objection does not hold: the proposal stands and may be posted again."""
    close_objections(image, "dismissed", context)


def over(image: Image, today: date) -> bool:
    """Whether the notice's last day has passed."""
    return today.isoformat() > str((image.get("publicity") or {}).get("until") or "9999")
