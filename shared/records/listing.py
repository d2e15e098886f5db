"""Lists of records: filters by field, names, scope of the caller, order, pages; every query stands on an index."""

from __future__ import annotations

import base64
import json
import re
from typing import Any

from flask import request

from shared.auth.roles import Role
from shared.auth.web import current_principal
from shared.clock import today
from shared.errors import Fault, Forbidden, Invalid
from shared.records import grams
from shared.records.access import ENTERPRISES, sees_all, visible
from shared.records.image import collection_of
from shared.records.kind import BY_ID, Kind
from shared.records.present import shown
from shared.records.workflow import Image
from shared.records.write import Records
from shared.web.json import UNSTORABLE

PAGE = 50
LARGEST_PAGE = 500
LONGEST = 500  # characters of one query value
DIGITS = re.compile("[0-9]{1,15}")
PARAMETERS = frozenset({"limit", "cursor", "q", "sort"})


def page(records: Records, kind: Kind) -> Image:
    """One page of a kind's list: filters by field, `q` on names, in an order of `Kind.sorts`. Raises Invalid, Forbidden."""
    principal = current_principal()
    _check_query(kind)
    order, backwards = _order(kind)
    conditions: list[Image] = [scope_of(records, kind)]
    for name in set(request.args) - PARAMETERS:
        conditions.append({"_id" if name == BY_ID else name: {"$in": _readings(request.args.getlist(name))}})
    if wanted := request.args.get("q", "").strip():
        conditions.append(grams.containing(kind, wanted))
    if request.args.get("cursor"):
        conditions.append(_behind(order, backwards, request.args["cursor"]))
    limit = number_of("limit", PAGE, LARGEST_PAGE)
    direction = -1 if backwards else 1
    keys = [(name, direction) for name in ([] if order == BY_ID else [order]) + ["_id"]]
    found = list(records.database[collection_of(kind)].find({"$and": [each for each in conditions if each] or [{}]}).sort(keys).limit(limit))
    images = [{"id": stored.pop("_id"), **stored} for stored in found]
    now = today(records.clock)
    items = [shown(kind, image, records.sealer, today=now) for image in images if visible(kind, image, principal, records.find)]
    return {"items": items, "next": _cursor(order, images[-1]) if len(images) == limit else None}


def _check_query(kind: Kind) -> None:
    """Raises Invalid naming every parameter that no record can match or that is none."""
    known = PARAMETERS | set(kind.filters())
    faults = [
        Fault("", "characters", f"{name}: 1–{LONGEST} characters, no NUL") for name, text in request.args.items(multi=True)
        if UNSTORABLE.search(text) or len(text) > LONGEST
    ]
    faults += [Fault("", "unknown", UNSTORABLE.sub("\ufffd", name)) for name in request.args if name not in known]
    if faults:
        raise Invalid("the query string has faults", faults=faults)


def _order(kind: Kind) -> tuple[str, bool]:
    """The field to order by, and whether it falls."""
    asked = request.args.get("sort", BY_ID)
    name = asked.removeprefix("-")
    if name not in kind.sorts():
        raise Invalid("unknown order", faults=[Fault("", "sort", f"one of {', '.join(kind.sorts())}, or with -")])
    return name, asked.startswith("-")


def _cursor(order: str, last: Image) -> str:
    """Where the next page begins. By id it is the id; else the value and the id of the last record."""
    if order == BY_ID:
        return str(last["id"])
    return base64.urlsafe_b64encode(json.dumps([last.get(order), last["id"]]).encode()).decode()


def _behind(order: str, backwards: bool, cursor: str) -> Image:
    """What lies behind a cursor, as a filter. A record without the value comes first, or last when the order falls."""
    beyond = "$lt" if backwards else "$gt"
    if order == BY_ID:
        return {"_id": {beyond: cursor}}
    try:
        value, last = json.loads(base64.urlsafe_b64decode(cursor.encode("ascii")))
        if not isinstance(last, str) or not isinstance(value, str | None):
            raise ValueError
    except (ValueError, TypeError):
        raise Invalid("unknown cursor", faults=[Fault("", "cursor", "use the `next` of the page before")]) from None
    same = {order: value, "_id": {beyond: last}}
    if value is None:
        return same if backwards else {"$or": [same, {order: {"$gte": ""}}]}
    return {"$or": [same, {order: {beyond: value}}, *([{order: None}] if backwards else [])]}


def _readings(texts: list[str]) -> list[Any]:
    """A query's text may mean a text, a number or a truth."""
    found: list[Any] = []
    for text in texts:
        found.append(text)
        if re.fullmatch(r"-?[0-9]{1,15}", text):
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
        mine += _of_town(records, kind, principal.town)
    if principal.has(*kind.owners):
        mine.append({"created_by": principal.actor})
        mine += [{name: {"$in": sorted(principal.enterprises)}} for name in kind.owner_fields if principal.enterprises]
    if not mine:
        raise Forbidden(f"{kind.name} may be read by: {', '.join(sorted(kind.readers))}")
    return {} if {} in mine else {"$or": mine}


def _of_town(records: Records, kind: Kind, town: str) -> list[Image]:
    """The records of one town: by their own town, else by their enterprise's, and those of the district itself."""
    placed = "town_code" in kind.schema.fields
    own: list[Image] = [{"town_code": town}] if placed else []
    if kind.name == ENTERPRISES:
        return own
    unplaced: Image = {"town_code": None} if placed else {}
    firms = records.database[ENTERPRISES].distinct("_id", {"town_code": town}) if kind.owner_fields else []
    theirs: list[Image] = [{name: {"$in": firms}} | unplaced for name in kind.owner_fields]
    nobodys: Image = dict.fromkeys(kind.owner_fields) | unplaced
    return [*own, *theirs, nobodys]


def number_of(name: str, default: int, largest: int) -> int:
    """A whole number of the query. Raises Invalid."""
    text = request.args.get(name)
    if text is None:
        return default
    if not DIGITS.fullmatch(text) or not 1 <= int(text) <= largest:
        raise Invalid(f"{name} must be 1 to {largest}", faults=[Fault("", name, f"1–{largest}")])
    return int(text)
