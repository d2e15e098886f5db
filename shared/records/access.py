"""Who may see a record, whose it is, and who may decide on a proposed change of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from shared.auth.principal import Principal
from shared.auth.roles import Role
from shared.records.kind import OWNERS, Kind
from shared.records.workflow import Image

ENTERPRISES = "enterprises"
Find = Callable[[str, str], Image | None]


def owns(kind: Kind, image: Image, principal: Principal) -> bool:
    """Whether a record is the caller's own enterprise's."""
    return any(image.get(name) in principal.enterprises for name in kind.owner_fields)


def mine(kind: Kind, image: Image, principal: Principal) -> bool:
    """Whether a record is the caller's: made by them, or their enterprise's."""
    return bool(image["created_by"] == principal.actor) or owns(kind, image, principal)


def sees_all(kind: Kind, principal: Principal) -> bool:
    """Whether the caller may see every record of a kind."""
    return principal.has(*(kind.readers - {Role.TOWN_REVIEWER}))


def visible(kind: Kind, image: Image, principal: Principal, find: Find) -> bool:
    """Whether the caller may know of a record: staff all, a town its own (S10), an enterprise its own."""
    if sees_all(kind, principal) or image["state"] in kind.public_states:
        return True
    if principal.has(Role.TOWN_REVIEWER) and principal.town and _town_of(kind, image, find) in (principal.town, None):
        return True
    return principal.has(*kind.owners) and mine(kind, image, principal)


def entitled(kind: Kind, image: Image, principal: Principal, find: Find) -> bool:
    """Whether the caller may see what a file holds beside the record: not who sees that only by a public notice."""
    return visible(replace(kind, public_states=frozenset()), image, principal, find)


def _town_of(kind: Kind, image: Image, find: Find) -> str | None:
    """The town that a record lies in, its enterprise's where it names none; None for the district's own."""
    if image.get("town_code") or kind.name == ENTERPRISES:
        return str(image.get("town_code", ""))
    owners = [str(image[name]) for name in kind.owner_fields if image.get(name)]
    if not owners:
        return None
    return next((str(firm["town_code"]) for owner in owners if (firm := find(ENTERPRISES, owner)) and firm.get("town_code")), "")


def confirmers(kind: Kind) -> frozenset[Role]:
    """Who may decide on a proposed change: whom the kind names, else those who verify, and a feed."""
    if kind.deciders is not None:
        return kind.deciders
    roles = {role for line in kind.workflow.steps if line.second_hand or line.proposes for role in line.by}
    return frozenset(roles - OWNERS - {Role.TOWN_REVIEWER}) | {Role.DATA_FEED}
