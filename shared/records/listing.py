"""Lists of records: filters by field, names, scope of the caller, pages."""

from __future__ import annotations

import re
from typing import Any

from flask import request

from shared.auth.roles import Role
from shared.auth.web import current_principal
from shared.clock import today
from shared.errors import Fault, Forbidden, Invalid
from shared.records.access import ENTERPRISES, sees_all, visible
from shared.records.image import collection_of
from shared.records.kind import Kind
from shared.records.present import shown
from shared.records.workflow import Image
from shared.records.write import Records
from shared.web.json import UNSTORABLE

PAGE = 50
LARGEST_PAGE = 500
LONGEST = 500  # characters of one query value
DIGITS = re.compile("[0-9]{1,15}")
PARAMETERS = frozenset({"limit", "cursor", "q"})


def page(records: Records, kind: Kind) -> Image:
    """One page of a kind's list: filters by field, `q` on names, ordered by id."""
    principal = current_principal()
    filters: list[Image] = [scope_of(records, kind)]
    fields = set(kind.schema.fields) | {"state", "id", "created_by", "person_key", "ends_on", *kind.derived}
    unfit = [name for name, text in request.args.items(multi=True) if UNSTORABLE.search(text) or len(text) > LONGEST]
    if unfit:
        faults = [Fault("", "characters", f"{name}: 1–{LONGEST} characters, no NUL") for name in unfit]
        raise Invalid("a query that no record can match", faults=faults)
    unknown = [name for name in request.args if name not in PARAMETERS and name not in fields - set(kind.personal)]
    if unknown:
        raise Invalid("unknown filter", faults=[Fault("", "unknown", name) for name in unknown])
    for name in set(request.args) - PARAMETERS:
        filters.append({"_id" if name == "id" else name: {"$in": _readings(request.args.getlist(name))}})
    if request.args.get("q"):
        filters.append({kind.search_field: {"$regex": re.escape(request.args["q"])}})
    if request.args.get("cursor"):
        filters.append({"_id": {"$gt": request.args["cursor"]}})
    limit = number_of("limit", PAGE, LARGEST_PAGE)
    found = list(records.database[collection_of(kind)].find({"$and": [f for f in filters if f] or [{}]}).sort("_id", 1).limit(limit))
    images = [{"id": stored.pop("_id"), **stored} for stored in found]
    now = today(records.clock)
    items = [shown(kind, image, records.sealer, today=now) for image in images if visible(kind, image, principal, records.find)]
    return {"items": items, "next": images[-1]["id"] if len(images) == limit else None}


def _readings(texts: list[str]) -> list[Any]:
    """A query's text may mean a text, a number or a truth."""
    found: list[Any] = []
    for text in texts:
        found.append(text)
        if re.fullmatch(r"-?\d{1,15}", text):
            found.append(int(text))
        if text in ("true", "false"):
            found.append(text == "true")
    return found


def scope_of(records: Records, kind: Kind) -> Image:
    """What of a kind the caller may list, as a filter. Raises Forbidden when nothing at all."""
    principal = current_principal()
    if sees_all(kind, principal):
        return {}
    mine: list[Image] = [{"state": {"$in": sorted(kind.public_states)}}] if kind.public_states else []
    if principal.has(Role.TOWN_REVIEWER) and principal.town:
        mine.append(_of_town(records, kind, principal.town))
    if principal.has(*kind.owners):
        mine.append({"created_by": principal.actor})
        mine += [{name: {"$in": sorted(principal.enterprises)}} for name in kind.owner_fields if principal.enterprises]
    if not mine:
        raise Forbidden(f"{kind.name} may be read by: {', '.join(sorted(kind.readers))}")
    return {"$or": mine}


def _of_town(records: Records, kind: Kind, town: str) -> Image:
    """The records of one town, by their own town or their enterprise's, and those of the district itself."""
    unplaced = {"town_code": None} if kind.name != ENTERPRISES else {"_id": None}
    firms = records.database[ENTERPRISES].distinct("_id", {"town_code": town}) if kind.owner_fields else []
    theirs: list[Image] = [{name: {"$in": firms}} for name in kind.owner_fields]
    nobodys = dict.fromkeys(kind.owner_fields)
    return {"$or": [{"town_code": town}, {"$and": [unplaced, {"$or": [*theirs, nobodys]}]}]}


def number_of(name: str, default: int, largest: int) -> int:
    """A whole number of the query. Raises Invalid."""
    text = request.args.get(name)
    if text is None:
        return default
    if not DIGITS.fullmatch(text) or not 1 <= int(text) <= largest:
        raise Invalid(f"{name} must be 1 to {largest}", faults=[Fault("", name, f"1–{largest}")])
    return int(text)
