"""Step functions: per indicator, part and cell a sparse map day → change. The value on a day is the prefix sum."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from services.metrics.engine.days import FOREVER
from services.metrics.engine.rules import Cell, Row

Steps = Mapping[tuple[str, Cell], Mapping[int, int]]  # (part, cell) -> {day ordinal: change}
Totals = dict[tuple[str, Cell], int]


def totals_on(steps: Steps, day: int) -> Totals:
    """Sums of all steps up to and including `day`, cells that sum to zero left out."""
    found: Totals = {}
    for name, edits in steps.items():
        total = sum(change for at, change in edits.items() if at <= day)
        if total:
            found[name] = total
    return found


def steps_of(rows: Iterable[Row]) -> dict[tuple[str, Cell], dict[int, int]]:
    """Step functions of the rows of ONE indicator, from scratch."""
    steps: dict[tuple[str, Cell], dict[int, int]] = {}
    for row in rows:
        edits = steps.setdefault((row.part, row.cell), {})
        for at, change in ((row.start, row.amount), (row.end, -row.amount)):
            total = edits.get(at, 0) + change
            if total or at == FOREVER:
                edits[at] = total
            else:
                edits.pop(at, None)
    return {name: edits for name, edits in steps.items() if any(edits.values())}


def totals_of(rows: Iterable[Row], day: int) -> Totals:
    """Totals on a day straight from the rows of ONE indicator (for a `known_at` reading)."""
    found: Totals = {}
    for row in rows:
        if row.start <= day < row.end:
            name = (row.part, row.cell)
            found[name] = found.get(name, 0) + row.amount
    return {name: total for name, total in found.items() if total}


def merged(parts: Iterable[Totals]) -> Totals:
    """Readings of several partitions add up."""
    found: Totals = {}
    for part in parts:
        for name, total in part.items():
            found[name] = found.get(name, 0) + total
    return {name: total for name, total in found.items() if total}
