"""How a record is shown: personal fields masked, a past day's state resolved from spells, versions compared."""

from __future__ import annotations

from datetime import date
from typing import Any

from shared.records import spells
from shared.records.image import HIDDEN
from shared.records.kind import Kind
from shared.records.personal import Sealer, masked
from shared.records.workflow import Image

FIRST = ("id", "kind", "version", "state")
QUIET = frozenset({"id", "kind", "version", "recorded_at", "hands", "head"})


def shown(kind: Kind, image: Image, sealer: Sealer, as_of: str | None = None, today: date | None = None) -> Image:
    """The record's JSON; with `today` also what follows from the day of reading."""
    body = {name: value for name, value in image.items() if name not in HIDDEN and value is not None}
    for name, text in (image.get("sealed") or {}).items():
        body[name] = masked(sealer.unseal(text, f"{kind.name}/{name}"))
    if body.get("proposed_change"):
        body["proposed_change"] = {name: value for name, value in body["proposed_change"].items() if name != "sealed"}
    body["kind"] = kind.name
    if kind.seen_on is not None and today is not None:
        body |= kind.seen_on(image, today)
    if as_of:
        body["as_of"] = as_of
        body["state"] = spells.value_on(image.get("states") or [], as_of)
        body["in_effect"] = kind.in_effect(image, as_of)
        for name, field in kind.spelled.items():
            if image.get(field):
                body[name] = spells.value_on(image[field], as_of)
        if kind.on_day is not None:
            body |= kind.on_day(image, as_of)
    return {name: body[name] for name in FIRST} | {name: value for name, value in body.items() if name not in FIRST}


def version_of(change: Image, before: Image) -> Image:
    """One line of a record's history: who, when, why, and what changed."""
    return {
        "version": change["version"], "action": change["action"], "actor": change["actor"], "role": change["role"],
        "time": change["time"], "reason": change["reason"], "effective_on": change["effective_on"], "hash": change["hash"],
        "diff": difference(before, change["after"]), "record": change["after"],
    } | ({"faults": change["faults"]} if change.get("faults") else {})


def difference(before: Image, after: Image) -> dict[str, dict[str, Any]]:
    """Fields that differ: {field: {from, to}}."""
    names = [name for name in {**before, **after} if name not in QUIET]
    return {name: {"from": before.get(name), "to": after.get(name)} for name in names if before.get(name) != after.get(name)}
