"""Spells: `[{from, to, value}]`, half-open, in order; a change closes one and opens the next, never overwrites."""

from __future__ import annotations

from typing import Any

Spell = dict[str, Any]


def day_of(text: Any) -> str | None:
    """The first day that a day or a month names; None without one."""
    return (f"{text}-01" if len(str(text)) == len("2026-06") else str(text)[:10]) if text else None


def opened(value: Any, first_day: str | None) -> list[Spell]:
    """One spell from the first day on."""
    return [{"from": first_day, "to": None, "value": value}]


def changed(spells: list[Spell], value: Any, effective_on: str) -> list[Spell]:
    """The spells after a change that takes effect on a day; what began on or after that day gives way."""
    kept = [dict(spell) for spell in spells if (spell["from"] or "") < effective_on]
    if kept:
        if kept[-1]["value"] == value and kept[-1]["to"] is None:
            return kept
        if kept[-1]["to"] is None or kept[-1]["to"] > effective_on:
            kept[-1]["to"] = effective_on
    return [*kept, {"from": effective_on, "to": None, "value": value}]


def corrected(spells: list[Spell], value: Any) -> list[Spell]:
    """The spells after a correction: the value holds from the record's first day on, and nothing else ever did."""
    return opened(value, spells[0]["from"]) if spells else spells


def closed(spells: list[Spell], effective_on: str) -> list[Spell]:
    """The spells ended on a day: it is the first that no longer belongs."""
    kept = [dict(spell) for spell in spells if (spell["from"] or "") < effective_on]
    if kept and (kept[-1]["to"] is None or kept[-1]["to"] > effective_on):
        kept[-1]["to"] = effective_on
    return kept


def value_on(spells: list[Spell], day: str) -> Any:
    """The value that holds on a day; None outside."""
    for spell in spells:
        if (spell.get("from") or "") <= day and (spell.get("to") is None or day < spell["to"]):
            return spell["value"]
    return None
