"""Everything that can be wrong with a plan folder, each fault with its file and line."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from services.metrics.engine.language import parse
from services.metrics.engine.rules import compile_indicator, compiler_of
from services.metrics.engine.views import BY_IDENTIFIER, KINDS
from services.metrics.plan.model import Indicator, Part, Plan
from services.metrics.plan.parse import Draft, read_plan
from services.metrics.plan.source import PlanFault, Spot

RESERVED = frozenset({"alive", "gone", "plan_window", "baseline_date", "start", "this"})
UNREADABLE = (ValueError, TypeError, IndexError, KeyError, AttributeError, RecursionError, MemoryError)


def check(directory: Path | str) -> list[PlanFault]:
    """All faults of a plan folder, by file and line; none means that the plan can be used."""
    return inspect(Path(directory))[1]


def inspect(directory: Path) -> tuple[Plan | None, list[PlanFault]]:
    """The plan as far as it could be read, and all its faults."""
    draft = read_plan(directory)
    faults = list(draft.faults)
    if draft.plan is not None:
        faults += _name_faults(draft)
        set_faults = list(_set_faults(draft))
        faults += [fault for _, fault in set_faults]
        faults += _rule_faults(draft, {name for name, _ in set_faults})
    return draft.plan, sorted(set(faults))


def _name_faults(draft: Draft) -> Iterator[PlanFault]:
    """Names that would hide one of the language's own, or a record's field."""
    assert draft.plan is not None
    fields = {field for kind in KINDS.values() for field in kind.fields}
    for name in draft.plan.sets:
        if name in RESERVED or name in BY_IDENTIFIER or not name.isidentifier():
            yield _at(draft.places["set", name], f"{name} cannot name a set")
    for name in draft.plan.lists:
        if name in RESERVED or name in fields or not name.isidentifier():
            yield _at(draft.places["list", name], f"{name} cannot name a list")


def _set_faults(draft: Draft) -> Iterator[tuple[str, PlanFault]]:
    """Sets that do not compile. A cycle is reported at each set on it, a set that merely uses a faulty one is not."""
    plan = draft.plan
    assert plan is not None
    for name, text in plan.sets.items():
        compiler = compiler_of(plan)
        try:
            parse(text)
            compiler.days(name)
        except UNREADABLE as wrong:
            message = _reason(wrong)
            if _own_fault(plan, name) or (message.startswith("cycle: ") and message.endswith(f"-> {name}")):
                yield name, _at(draft.places["set", name], message)


def _own_fault(plan: Plan, name: str) -> bool:
    """Whether a set is wrong even when every set that it uses is right."""
    others = dict.fromkeys(plan.sets, "alive")
    try:
        compiler_of(replace(plan, sets=others)).days(plan.sets[name])
    except UNREADABLE:
        return True
    return False


def _rule_faults(draft: Draft, faulty_sets: set[str]) -> Iterator[PlanFault]:
    """Rules that do not compile, faulty sets taken for good: they have been reported."""
    assert draft.plan is not None
    plan = replace(draft.plan, sets={name: "alive" if name in faulty_sets else text for name, text in draft.plan.sets.items()})
    for indicator in plan.indicators.values():
        if indicator.id not in draft.clean:
            continue
        for name, part in (("numerator", indicator.numerator), ("denominator", indicator.denominator)):
            found = _part_fault(plan, indicator, part) if part else None
            if found:
                field, message = found
                yield _at(draft.places[indicator.id, name, field], f"{indicator.id}: {message}")


def _part_fault(plan: Plan, indicator: Indicator, part: Part) -> tuple[str, str] | None:
    """(the field that is wrong, why), or None."""
    if part.each != "subject" and part.each not in KINDS:
        return "each", f"no record kind {part.each}"
    bare = replace(part, where=None, amount="1")
    for field, tried in (("when", bare), ("where", replace(bare, where=part.where)), ("amount", part)):
        try:
            list(compile_indicator(plan, replace(indicator, numerator=tried, denominator=None)))
        except UNREADABLE as wrong:
            return field, _reason(wrong)
    return None


def _reason(wrong: BaseException) -> str:
    """The message without the indicator and part that a RuleError repeats."""
    if isinstance(wrong, ValueError):
        return str(getattr(wrong, "message", wrong))
    return f"cannot be read ({type(wrong).__name__})"


def _at(spot: Spot, reason: str) -> PlanFault:
    return PlanFault(spot.file, spot.line, reason)


__all__ = ["PlanFault", "check", "inspect"]
