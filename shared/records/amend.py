"""Changing what a record says: a merge patch that applies at once, or waits as a proposal for a second person."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from shared.auth.principal import Principal
from shared.auth.roles import Role
from shared.errors import Conflict, Fault, Forbidden, Invalid
from shared.records import spells
from shared.records.access import confirmers, mine
from shared.records.content import derive, loaded, seal, unsealed
from shared.records.fields import YEARS, calendar_day
from shared.records.kind import EVERY_FIELD, Kind
from shared.records.personal import masked
from shared.records.store import Store
from shared.records.workflow import Context, Image


def amend(store: Store, kind: Kind, old: Image, body: Image, principal: Principal, context: Context) -> Image:
    """Apply a merge patch, or propose it when the record counts and the caller is no feed."""
    patch = dict(body)
    effective_on, reason = patch.pop("effective_on", None), patch.pop("reason", None)
    faults = day_faults(effective_on)
    if reason is not None and not isinstance(reason, str):
        faults.append(Fault("/reason", "type", "文本 text is wanted"))
    proposes = _must_propose(kind, old, patch, principal)
    fresh = patched(store, kind, old, patch, effective_on, context, faults)
    if proposes:
        proposal = _proposal(store, kind, patch, effective_on, reason, principal, context)
        return store.replace(kind, old, old | {"proposed_change": proposal}, "propose_change", principal, context, reason, effective_on)
    return store.replace(kind, old, fresh, "amend", principal, context, reason, effective_on)


def day_faults(text: Any) -> list[Fault]:
    """What is wrong with the first day of an effect, given or not."""
    try:
        if text is None or (isinstance(text, str) and calendar_day(text).year in YEARS):
            return []
    except ValueError:
        pass
    return [Fault("/effective_on", "date", "日期应为 YYYY-MM-DD a day is wanted")]


def _must_propose(kind: Kind, old: Image, patch: Image, principal: Principal) -> bool:
    if principal.has(Role.DATA_FEED):
        return False
    if kind.counts(old["state"]):
        proposers = kind.posters | confirmers(kind)
        if not principal.has(*proposers):
            raise Forbidden(f"{kind.name} may be changed by: {', '.join(sorted(proposers))}")
        if old.get("proposed_change"):
            raise Conflict("a proposed change waits for a decision already")
        return True
    if patch and patch.keys() <= kind.staff_proposes and principal.has(*confirmers(kind)):
        return True
    allowed = kind.editable.get(old["state"], frozenset())
    if not mine(kind, old, principal) or not (allowed == EVERY_FIELD or patch.keys() <= allowed):
        raise Forbidden("a file under review is returned, not corrected, by its reviewers")
    return False


def _proposal(
    store: Store, kind: Kind, patch: Image, effective_on: str | None, reason: str | None, principal: Principal, context: Context
) -> Image:
    shown = {name: masked(value) if name in kind.personal and value is not None else value for name, value in patch.items()}
    secret = {name: patch[name] for name in kind.personal if name in patch}
    body = {"patch": shown, "effective_on": effective_on, "reason": reason, "by": principal.actor, "at": context.now}
    return body | ({"sealed": store.sealer.seal(secret, f"{kind.name}/proposal")} if secret else {})


def merged(target: Any, patch: Any) -> Any:
    """RFC 7396: objects merge name by name, null takes away, anything else replaces."""
    if not isinstance(patch, dict):
        return patch
    kept = {name: value for name, value in target.items() if name not in patch} if isinstance(target, dict) else {}
    old = target if isinstance(target, dict) else {}
    return kept | {name: merged(old.get(name), value) for name, value in patch.items() if value is not None}


def patched(
    store: Store, kind: Kind, old: Image, patch: Image, effective_on: str | None, context: Context, faults: Iterable[Fault] = (),
) -> Image:
    """The image after a merge patch (RFC 7396). Raises Invalid naming every fault, with those found already."""
    names = set(kind.schema.fields)
    wrong = [*faults, *(Fault(f"/{name}", "unknown", "未知字段 unknown field") for name in patch if name not in names)]
    secret = unsealed(store, kind, old)
    body = {name: old[name] for name in names if name in old} | secret
    for name in patch.keys() & names:
        body[name] = merged(body.get(name), patch[name])
    content = _loaded(kind, body, wrong, partial=old["state"] in ("draft", "returned") and bool(kind.draft_needs))
    if kind.natural_key and str(content[kind.natural_key]) != old["id"]:
        raise Invalid("an identifier does not change", faults=[Fault(f"/{kind.natural_key}", "immutable", "不可修改")])
    kept = {name: value for name, value in old.items() if name not in names | {"sealed"}}
    fresh = kept | content
    touched = {name: old["version"] + 1 for name in kind.personal if content.get(name) != secret.get(name)}
    if touched:  # in which version each personal field changed: what it was is told nowhere
        fresh["touched"] = (old.get("touched") or {}) | touched
    for name, field in kind.spelled.items():
        if name in patch and (old.get(field) or effective_on):
            value = fresh.get(name)
            if effective_on and not old.get(field):  # a first value holds from its day, not from the record's
                fresh[field] = spells.opened(value, effective_on)
            elif effective_on:
                fresh[field] = spells.changed(old[field], value, effective_on)
            elif value != old.get(name):
                fresh[field] = spells.corrected(old[field], value)
    _shift_states(kind, fresh, old)
    derive(store, kind, fresh, old, context)
    seal(store, kind, fresh)
    return fresh


def _loaded(kind: Kind, body: Image, found: list[Fault], *, partial: bool) -> Image:
    """The whole content checked, with what was found wrong with the patch itself among its faults."""
    try:
        content = loaded(kind, body, partial)
    except Invalid as wrong:
        raise Invalid("the change has faults", faults=[*found, *wrong.faults]) from None
    if found:
        raise Invalid("the change has faults", faults=found)
    return content


def _shift_states(kind: Kind, fresh: Image, old: Image) -> None:
    """A corrected first day corrects the first day of the first state."""
    before, now = (spells.day_of(image.get(kind.first_day)) if kind.first_day else None for image in (old, fresh))
    states = fresh.get("states")
    if states and before and now and states[0]["from"] == before:
        fresh["states"] = [states[0] | {"from": now}, *states[1:]]
