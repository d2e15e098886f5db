"""From exact readings to the JSON of the contract: target test on the exact value, rounding last (domain rule G7)."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping
from datetime import date
from decimal import ROUND_HALF_UP, Decimal
from fractions import Fraction
from typing import Any

from services.metrics.engine.reading import UNASSIGNED, Reading, breakdown, period_end, read
from services.metrics.engine.timeline import Totals
from services.metrics.plan.model import Indicator, Plan

Contributors = Mapping[str, tuple[int, ...]]  # units behind each part of each cell
Source = Callable[[date], Totals]  # the indicator's totals on any day
SMALL_CELL = 3  # persons or contributing units; domain rule G12 and D.6
AT_RISK_SHARE = Fraction(9, 10)  # within a tenth of the expected value is at risk, below it is behind
VALUED = frozenset({"ok", "provisional"})


def rounded(value: Fraction | None, decimals: int) -> int | float | None:
    """Half up (away from zero on a tie), as a JSON number."""
    if value is None:
        return None
    scaled = abs(value) * 10**decimals
    whole = (scaled.numerator * 2 + scaled.denominator) // (scaled.denominator * 2)
    number = Decimal(whole if value >= 0 else -whole).scaleb(-decimals).quantize(Decimal(1).scaleb(-decimals), ROUND_HALF_UP)
    return int(number) if decimals == 0 else float(number)


def exact(number: int | Fraction | None) -> int | str | None:
    """Whole numbers as integers; a published value that is not integral as a decimal string."""
    if number is None or isinstance(number, int):
        return number
    if number.denominator == 1:
        return int(number)
    return format((Decimal(number.numerator) / Decimal(number.denominator)).normalize(), "f")


def to_json(plan: Plan, indicator: Indicator, source: Source, on: date, period: str | None = None) -> dict[str, Any]:
    """Everything about an indicator on a day that follows from its rows (the caller adds sequence, known_at and age)."""
    reading = read(plan, indicator, source(on), period)
    body: dict[str, Any] = {
        "id": indicator.id,
        "name": dict(indicator.name),
        "clause": list(indicator.clause),
        "kind": indicator.kind,
        "unit": indicator.unit,
        "value": rounded(reading.value, indicator.decimals),
        "numerator": exact(reading.numerator),
        "denominator": exact(reading.denominator),
        "state": reading.state,
        **against_target(plan, indicator, source, reading, on),
        "as_of": on.isoformat(),
        "data_period": reading.data_period,
        "definition_version": indicator.definition_version,
    }
    if reading.proxy:
        body["proxy"] = True
    return body


def against_target(plan: Plan, indicator: Indicator, source: Source, reading: Reading, on: date) -> dict[str, Any]:
    """Target, gap, progress, path, forecast and verdict; what does not apply is null."""
    target = indicator.target
    forecast = (
        read(plan, indicator, source(plan.deadline)) if reading.state in VALUED and indicator.kind != "evidence" else None
    )
    body: dict[str, Any] = {
        "target": None,
        "reached": None,
        "gap": None,
        "progress": None,
        "expected_to_date": None,
        "forecast": rounded(forecast.value, indicator.decimals) if forecast else None,
        "verdict": "not_assessable",
    }
    if target is None:
        return body
    goal = Fraction(target.value)
    value = int(goal) if goal.denominator == 1 else float(goal)
    body["target"] = {
        "operator": target.operator,
        "value": value,
        "by": target.by.isoformat(),
        "commitment": target.commitment,
        "deadline_stated": target.deadline_stated,
    }
    expected = expected_to_date(plan, indicator, source, on)
    body["expected_to_date"] = rounded(expected, indicator.decimals)
    if reading.value is None or reading.state not in VALUED:
        return body
    body["gap"] = rounded(goal - reading.value, indicator.decimals)
    body["progress"] = rounded(reading.value / goal, 4) if goal else None
    if indicator.kind == "evidence" or (indicator.kind == "stat" and not _assessable(reading, target.by)):
        return body
    reached = meets(target.operator, reading.value, goal)
    return body | {"reached": reached, "verdict": verdict(target.operator, reading.value, reached, expected, on >= target.by)}


def _assessable(reading: Reading, by: date) -> bool:
    """A statistic is judged only when its period lies in the target's year."""
    return reading.data_period is None or period_end(reading.data_period).year == by.year


def meets(operator: str, value: Fraction, goal: Fraction) -> bool:
    """The target's test, on exact values."""
    return {">=": value >= goal, ">": value > goal, "<=": value <= goal, "<": value < goal, "=": value == goal}[operator]


def verdict(operator: str, value: Fraction, reached: bool, expected: Fraction | None, over: bool) -> str:
    """achieved, on_track, at_risk, behind or not_assessable. After the deadline a missed target is behind."""
    if reached:
        return "achieved"
    if over:
        return "behind"
    if expected is None:
        return "not_assessable"
    if meets(operator, value, expected):
        return "on_track"
    near = value >= expected * AT_RISK_SHARE if operator.startswith((">", "=")) else value <= expected / AT_RISK_SHARE
    return "at_risk" if near else "behind"


def expected_to_date(plan: Plan, indicator: Indicator, source: Source, on: date) -> Fraction | None:
    """Linear between the baseline, the milestones and the target; None without a baseline or milestones."""
    target = indicator.target
    if target is None or indicator.kind == "evidence":
        return None
    points = {milestone.on: Fraction(milestone.value) for milestone in indicator.milestones}
    start = _baseline(plan, indicator, source)
    if start is not None:
        points.setdefault(plan.baseline_date, start)
    if not points:
        return None
    points[target.by] = Fraction(target.value)
    ordered = sorted(points.items())
    if on <= ordered[0][0]:
        return ordered[0][1]
    for (low, begun), (high, ended) in itertools.pairwise(ordered):
        if on <= high:
            return begun + (ended - begun) * Fraction((on - low).days, (high - low).days)
    return ordered[-1][1]


def _baseline(plan: Plan, indicator: Indicator, source: Source) -> Fraction | None:
    if indicator.baseline is not None:
        return Fraction(indicator.baseline.value)
    reading = read(plan, indicator, source(plan.baseline_date))
    return reading.value if reading.state in VALUED else None


def cells_json(
    plan: Plan,
    indicator: Indicator,
    totals: Totals,
    dim: str,
    names: Callable[[str, str], dict[str, str]],
    contributors: Contributors | None = None,
) -> list[dict[str, Any]]:
    """The breakdown by a dimension. `contributors`: units behind each cell of a value-type series, to hide small ones."""
    cells = breakdown(plan, indicator, totals, dim)
    hidden = hidden_cells(indicator, cells, contributors)
    return [_cell_json(indicator, key, cell, key in hidden, names(dim, key)) for key, cell in cells.items()]


def _cell_json(indicator: Indicator, key: str, cell: Reading, hide: bool, name: dict[str, str]) -> dict[str, Any]:
    if hide:
        return {"key": key, "name": name, "value": None, "numerator": None, "denominator": None, "state": "suppressed"}
    return {
        "key": key,
        "name": name,
        "value": rounded(cell.value, indicator.decimals),
        "numerator": exact(cell.numerator),
        "denominator": exact(cell.denominator),
        "state": cell.state,
    }


def hidden_cells(indicator: Indicator, cells: dict[str, Reading], contributors: Contributors | None) -> set[str]:
    """Cells of fewer than three persons or contributing units, and one more when the total would give them away.

    A figure is small when either part of it rests on one or two units: both are served exactly. The total gives the
    hidden cells away when there is only one, and persons also when it says that each cell holds one, or each two.
    """
    if not (indicator.person or indicator.value_series):
        return set()
    counts = contributors if contributors is not None else {key: (int(cell.numerator or 0),) for key, cell in cells.items()}
    small = {key for key in cells if any(0 < units < SMALL_CELL for units in counts.get(key, ()))}
    rest = sorted(
        (key for key in cells if key not in small),
        key=lambda key: (not any(counts.get(key, ())), min(counts.get(key, (0,))), key),
    )
    told = indicator.person and sum(counts[key][0] for key in small) in (len(small), 2 * len(small))
    if rest and small and (len(small) == 1 or told):
        small.add(rest[0])
    return small


__all__ = [
    "UNASSIGNED",
    "Contributors",
    "Source",
    "cells_json",
    "exact",
    "expected_to_date",
    "hidden_cells",
    "rounded",
    "to_json",
    "verdict",
]
