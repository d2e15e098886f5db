"""Some indicators counted from the accepted answers alone. Shares nothing with the engine or the plan's rules."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import Any

Image = dict[str, Any]
Values = dict[str, dict[str, int]]  # indicator -> town or "" for the whole -> count


def newest(accepted: Iterable[Image]) -> dict[str, list[Image]]:
    """kind -> the last version of each record."""
    found: dict[tuple[str, str], Image] = {}
    for image in accepted:
        name = (image["kind"], image["id"])
        if name not in found or found[name]["version"] < image["version"]:
            found[name] = image
    by_kind: dict[str, list[Image]] = {}
    for (kind, _), image in found.items():
        by_kind.setdefault(kind, []).append(image)
    return by_kind


def recount(accepted: Iterable[Image], day: str) -> Values:
    """hnte_count and graduates_introduced_cum by town, tech_sme_count and tech_contract_amount as a whole, on `day`."""
    kinds = newest(accepted)
    firms = {firm["id"]: firm for firm in kinds.get("enterprises", [])}

    def alive(uscc: str, on: str) -> bool:
        return any(_covers(spell, on) for spell in firms[uscc]["alive"]) if uscc in firms else False

    def town(uscc: str) -> str:
        return next(spell["value"] for spell in firms[uscc]["towns"] if _covers(spell, day))

    def verified(kind: str) -> list[Image]:
        return [each for each in kinds.get(kind, []) if each["state"] == "verified"]

    certified = {each["uscc"] for each in verified("hnte-certificates") if each["issued_on"] <= day < each["valid_to"]}
    entered = {each["uscc"] for each in verified("tech-sme-entries") if each["announced_on"] <= day}
    sold = [each for each in verified("tech-contracts") if each["registered_on"][:4] == day[:4] and each["registered_on"] <= day]
    return {
        "hnte_count": _by_town(town(uscc) for uscc in certified if alive(uscc, day)),
        "graduates_introduced_cum": _by_town(graduates(kinds.get("introductions", []))),
        "tech_sme_count": {"": sum(alive(uscc, day) for uscc in entered)},
        "tech_contract_amount": {
            "": sum(each["tech_amount_fen"] for each in sold if alive(each["seller_uscc"], each["registered_on"]))
        },
    }


def graduates(introductions: Iterable[Image]) -> list[str]:
    """The town of each person's earliest registered introduction."""
    first: dict[str, tuple[str, str, str]] = {}
    for each in introductions:
        if each["state"] in ("registered", "departed"):
            found = (each["hired_on"], each["id"], each["town_code"])
            first[each["person_key"]] = min(first.get(each["person_key"], found), found)
    return [town for _, _, town in first.values()]


def _covers(spell: Image, day: str) -> bool:
    return bool(spell["from"] <= day and (spell["to"] is None or day < spell["to"]))


def _by_town(towns: Iterable[str]) -> dict[str, int]:
    counted = Counter(towns)
    return {"": sum(counted.values()), **counted}
