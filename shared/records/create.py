"""A new record: its state by the caller's role, its content, its first spells."""

from __future__ import annotations

from typing import Any

from shared.auth.principal import Principal
from shared.auth.roles import Role
from shared.clock import parse_instant
from shared.errors import Fault, Invalid
from shared.ids import new_id
from shared.records import spells
from shared.records.change import change_document
from shared.records.content import derive, flag_person, loaded, seal
from shared.records.kind import Kind
from shared.records.store import Store
from shared.records.workflow import Context, Image

GIVEN = frozenset({"state", "history", "reason"})
STEP = ("action", "at", "actor")


def reopened(over: Image, image: Image) -> Image:
    """A new file in the place of one that is over: the earlier versions stay in its history."""
    states = spells.changed(over.get("states") or [], image["state"], image["states"][0]["from"])
    return {name: value for name, value in image.items() if name != "head"} | {"states": states, "hands": [*over["hands"], *image["hands"]]}


def given(kind: Kind, body: Image, principal: Principal) -> Image:
    """The state, history and reason that came with a body. Raises Invalid naming every fault.

    Only a data feed brings a state and a history `[{action, at, actor}]` along: how an office takes its past with it.
    """
    state, history, reason = (body.get(name) for name in ("state", "history", "reason"))
    faults = []
    for name, value in (("state", state), ("history", history)):
        if value is not None and not principal.has(Role.DATA_FEED):
            faults.append(Fault(f"/{name}", "not_allowed", "仅数据源可填 data feed only"))
    if state is not None and (not isinstance(state, str) or state not in kind.workflow.states):
        faults.append(Fault("/state", "unknown", f"one of {', '.join(sorted(kind.workflow.states))}"))
    if reason is not None and not isinstance(reason, str):
        faults.append(Fault("/reason", "type", "文本 text is wanted"))
    if history is not None:
        faults += _history_faults(history)
    if faults:
        raise Invalid("the record has faults", faults=faults)
    return {"state": state, "history": history, "reason": reason}


def _history_faults(history: Any) -> list[Fault]:
    if not isinstance(history, list):
        return [Fault("/history", "type", "列表 a list of {action, at, actor} is wanted")]
    faults = []
    for number, line in enumerate(history):
        if not isinstance(line, dict):
            faults.append(Fault(f"/history/{number}", "type", "{action, at, actor} is wanted"))
            continue
        faults += [
            Fault(f"/history/{number}/{name}", "type", "文本 text is wanted") for name in STEP if not isinstance(line.get(name), str)
        ]
        faults += [Fault(f"/history/{number}/{name}", "unknown", "未知字段 unknown field") for name in line if name not in STEP]
        if isinstance(line.get("at"), str) and not _is_instant(line["at"]):
            faults.append(Fault(f"/history/{number}/at", "instant", "时间应为带时区的 RFC 3339 an instant with offset"))
    return faults


def _is_instant(text: str) -> bool:
    try:
        parse_instant(text)
    except (ValueError, OverflowError):  # the year 0001 east of Greenwich
        return False
    return True


def new_record(
    store: Store, kind: Kind, body: Image, principal: Principal, context: Context, *, state: str | None = None,
    history: Any = None, reason: str | None = None,
) -> tuple[Image, Image]:
    """The image and change document of a new record, not stored yet; without a state it gets its role's."""
    state = state or kind.new_state(principal, body)
    image = loaded(kind, body, partial=state in ("draft", "returned") and bool(kind.draft_needs))
    image |= {"version": 1, "state": state, "recorded_at": context.now, "created_by": principal.actor}
    image["id"] = str(image[kind.natural_key]) if kind.natural_key else new_id()
    image["hands"] = [{name: line[name] for name in STEP} for line in history or ()]
    image["hands"].append({"action": "post", "actor": principal.actor, "at": context.now})
    derive(store, kind, image, None, context)
    if kind.arrive is not None and context.work.writes:
        kind.arrive(image, context)
    if "duplicate_person" in kind.derived and kind.counts(state):
        flag_person(store, kind, image, context)
    first = spells.day_of(image.get(kind.first_day)) if kind.first_day else None
    image.setdefault("states", spells.opened(state, first or context.today.isoformat()))
    seal(store, kind, image)
    return image, change_document(kind, image, "post", principal, context, reason)
