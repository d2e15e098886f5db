"""Taking a step of a kind's workflow, and deciding on a proposed change."""

from __future__ import annotations

import json
from dataclasses import asdict

from shared.auth.principal import Principal
from shared.auth.roles import Role
from shared.errors import Conflict, Fault, Forbidden, Invalid, NotFound, RuleBroken
from shared.records import spells
from shared.records.access import confirmers, mine
from shared.records.amend import patched
from shared.records.kind import ATTACHED, Kind, missing
from shared.records.store import Store
from shared.records.workflow import STAY, Context, Image, Request, Step


def step(store: Store, kind: Kind, old: Image, request: Request, principal: Principal, context: Context) -> Image:
    """The record after an action. Raises RuleBroken (no such step now), Forbidden (not this role, or the same hand)."""
    line = kind.workflow.find(old["state"], request.action)
    if line is None:
        if request.action not in kind.workflow.actions:
            raise Invalid("unknown action", faults=[Fault("/action", "unknown", f"one of {', '.join(kind.workflow.actions)}")])
        raise RuleBroken(f"{request.action} is not possible from {old['state']}")
    if not kind.workflow.may(line, principal):
        raise Forbidden(f"{request.action} may be taken by: {', '.join(sorted(line.by))}")
    _check_hands(kind, line, old, request, principal)
    if line.guard is not None:
        line.guard(old, request, context)
    if line.waits(old, request) and not principal.has(Role.DATA_FEED):
        if old.get("proposed_change"):
            raise Conflict("a proposed change waits for a decision already")
        asked = {name: value for name, value in asdict(request).items() if value is not None}
        proposal = {"transition": asked, "reason": request.reason, "by": principal.actor, "at": context.now}
        fresh = old | {"proposed_change": proposal}
        return store.replace(kind, old, fresh, f"propose_{request.action}", principal, context, request.reason)
    return take(store, kind, old, line, request, principal, context)


def _check_hands(kind: Kind, line: Step, old: Image, request: Request, principal: Principal) -> None:
    if principal.has(Role.DATA_FEED) and kind.workflow.feed_always:
        return
    if line.needs_reason and not (request.reason or "").strip() and not request.faults:
        raise Invalid("a reason is needed", faults=[Fault("/reason", "required", "必须说明理由")])
    if line.barred(old, principal):
        raise Forbidden("another person must do this: you already acted on this file",
                        faults=[Fault("/action", "same_hand", "须由他人办理")])
    if principal.has(*kind.owners) and line.by <= kind.owners and not mine(kind, old, principal):
        raise NotFound("no such record for this caller")


def take(
    store: Store, kind: Kind, old: Image, line: Step, request: Request, principal: Principal, context: Context
) -> Image:
    """Take a line of the table for a caller who may."""
    fresh = json.loads(json.dumps(old))
    day = request.effective_on or context.today.isoformat()
    _tell_faults(kind, fresh, line, request, context)
    if line.action in ("submit", "approve") and kind.draft_needs:
        lacking = missing(kind.schema, fresh | dict.fromkeys(fresh.get("sealed") or (), "sealed"))
        if lacking:
            raise Invalid("the file is not complete", faults=lacking)
    if line.to != STAY and not line.stays(old, request, context):
        fresh["state"] = line.to
        fresh["states"] = spells.changed(fresh.get("states") or [], line.to, day)
    if line.effect is not None:
        line.effect(fresh, request, context)
    if fresh["state"] != (old["state"] if line.to == STAY else line.to):  # an effect may decide where a line leads
        fresh["states"] = spells.changed(old.get("states") or [], fresh["state"], day)
    fresh["hands"] = [*(fresh.get("hands") or []), {"action": line.action, "actor": principal.actor, "at": context.now}]
    return store.replace(kind, old, fresh, line.action, principal, context, request.reason, request.effective_on, request.faults)


def _tell_faults(kind: Kind, fresh: Image, line: Step, request: Request, context: Context) -> None:
    """A return says what is wrong, field by field; the file carries it until it is handed in again. Raises Invalid."""
    if request.faults and line.action != "return":
        raise Invalid("only a return names faults", faults=[Fault("/faults", "not_allowed", "仅退回时可填")])
    unknown = [
        Fault(f"/faults/{n}/pointer", "unknown", f"没有该字段 no such field: {fault['pointer']}")
        for n, fault in enumerate(request.faults or ()) if fault["pointer"].split("/")[1] not in {*kind.schema.fields, ATTACHED}
    ]
    if unknown:
        raise Invalid("the return names fields that the record has not", faults=unknown)
    if line.action == "return":
        fresh["returned"] = {"at": context.now, "reason": request.reason, "faults": request.faults or []}
    elif line.action == "submit":
        fresh.pop("returned", None)


def decide(store: Store, kind: Kind, old: Image, request: Request, principal: Principal, context: Context) -> Image:
    """Confirm or refuse what another person proposed."""
    proposal = old.get("proposed_change")
    if not proposal:
        raise RuleBroken("there is no proposed change to decide on")
    if not principal.has(*confirmers(kind)):
        raise Forbidden(f"a proposed change is decided by: {', '.join(sorted(confirmers(kind)))}")
    if proposal["by"] == principal.actor:
        raise Forbidden("another person must decide", faults=[Fault("/action", "same_hand", "须由他人办理")])
    base = old | {"proposed_change": None}
    if request.action == "refuse_change":
        return store.replace(kind, old, base, "refuse_change", principal, context, request.reason)
    if "transition" in proposal:
        asked = Request(**proposal["transition"])
        line = kind.workflow.find(old["state"], asked.action)
        if line is None:
            raise RuleBroken(f"{asked.action} is no longer possible from {old['state']}")
        if not line.other_hand and line.barred(old, principal):
            raise Forbidden("another person must decide: you already acted on this file",
                            faults=[Fault("/action", "same_hand", "须由他人办理")])
        if line.guard is not None:
            line.guard(old, asked, context)
        proposed = {"action": f"propose_{asked.action}", "actor": proposal["by"], "at": proposal["at"]}
        base["hands"] = [*(old.get("hands") or []), proposed]
        return take(store, kind, base, line, asked, principal, context)
    patch = dict(proposal["patch"])
    if proposal.get("sealed"):
        patch |= store.sealer.unseal(proposal["sealed"], f"{kind.name}/proposal")
    fresh = patched(store, kind, base, patch, proposal["effective_on"], context)
    hand = {"action": "confirm_change", "actor": principal.actor, "at": context.now}
    fresh["hands"] = [*(fresh.get("hands") or []), hand]
    return store.replace(kind, old, fresh, "confirm_change", principal, context, proposal["reason"], proposal["effective_on"])


def ahead(kind: Kind, image: Image, principal: Principal) -> list[Image]:
    """What the caller may do next: steps of the table that their roles and earlier hands allow, and decisions that wait."""
    workflow = kind.workflow
    feed = principal.has(Role.DATA_FEED)
    free = feed and workflow.feed_always
    proposal = image.get("proposed_change")
    waits = bool(proposal) and not feed  # one proposal at a time; a feed does not propose
    lines = [
        {"action": line.action, "to": image["state"] if line.to == STAY else line.to, "needs_reason": line.needs_reason and not free}
        for line in workflow.open_to(image["state"], principal) if not (waits and line.proposes is True) if free or not line.barred(image, principal)
    ]
    if proposal and principal.has(*confirmers(kind)) and proposal["by"] != principal.actor:
        lines += [{"action": action, "to": image["state"], "needs_reason": False} for action in ("confirm_change", "refuse_change")]
    return lines
