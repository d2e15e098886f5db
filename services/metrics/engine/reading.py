"""Readers: from the additive cells of an indicator on a day to its exact value.

Nothing here rounds: values are rationals in the indicator's unit, rounding is presentation's last step.
"""

from __future__ import annotations

from calendar import monthrange
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import date
from fractions import Fraction

from services.metrics.engine.rules import Cell
from services.metrics.engine.timeline import Totals
from services.metrics.plan.model import Indicator, Plan

Key = tuple[str, Cell]
PublishedFigure = tuple[str, str, str]  # part of the rows, period, scope
UNASSIGNED = "unassigned"


@dataclass(frozen=True)
class Reading:
    """An exact value with what it was made of. `value` is in the indicator's unit; None unless `state` has one."""

    value: Fraction | None
    numerator: int | Fraction | None
    denominator: int | Fraction | None
    state: str  # ok, provisional, not_applicable, no_data, suppressed
    data_period: str | None = None
    proxy: bool = False
    rests_on: Mapping[PublishedFigure, str] = field(default_factory=dict)  # published figures, and the part that each is


NO_DATA = Reading(None, None, None, "no_data")


def in_scope(plan: Plan, totals: Totals) -> Totals:
    """Only the cells of the plan's towns, and those with no town."""
    towns = {town.code for town in plan.towns if town.in_scope} | {""}
    return {key: total for key, total in totals.items() if dict(key[1]).get("town", "") in towns}


def read(plan: Plan, indicator: Indicator, totals: Totals, period: str | None = None) -> Reading:
    """The value of an indicator from its totals on a day; `period` asks for one period of a statistic."""
    cells = in_scope(plan, totals)
    reader = indicator.reader.name
    if reader in ("sum", "attested"):
        number = _sum(cells, "n")
        return Reading(Fraction(number, indicator.scale), number, None, "ok")
    if reader in ("ratio", "multiple", "growth"):
        return _quotient(indicator, _sum(cells, "n"), _sum(cells, "d"))
    if reader == "groups_with_any":
        return _groups(indicator, cells)
    if reader == "quantile":
        return _quantile(indicator, cells)
    if reader == "per":
        return _per(plan, indicator, cells, period)
    return _statistic(plan, indicator, cells, period)


def _sum(cells: Totals, part: str) -> int:
    return sum(total for (name, _), total in cells.items() if name == part)


def _quotient(indicator: Indicator, numerator: int, denominator: int) -> Reading:
    if denominator == 0:
        return Reading(None, numerator, 0, "not_applicable")
    value = Fraction(numerator, denominator)
    if indicator.reader.name == "growth":
        value -= 1
    return Reading(value if indicator.reader.name == "multiple" else value * 100, numerator, denominator, "ok")


def _quantile(indicator: Indicator, cells: Totals) -> Reading:
    """The smallest number of days that at least the reader's share of all files took (nearest rank)."""
    files: dict[int, int] = {}
    for (part, cell), total in cells.items():
        days = dict(cell).get("days")
        if part == "n" and days:
            files[int(days)] = files.get(int(days), 0) + total
    wanted, reached = Fraction(indicator.reader.share or 0) * sum(files.values()), 0
    for number in sorted(files):
        reached += files[number]
        if reached and reached >= wanted:
            return Reading(Fraction(number), number, None, "ok")
    return NO_DATA


def _groups(indicator: Indicator, cells: Totals) -> Reading:
    dim, groups = indicator.reader.dim or "", indicator.reader.groups
    if not groups:
        return Reading(None, 0, 0, "not_applicable")
    present = {dict(cell).get(dim) for (part, cell), total in cells.items() if part == "n" and total > 0}
    having = sum(group in present for group in groups)
    value = Fraction(having) if indicator.reader.show == "count" else Fraction(having * 100, len(groups))
    return Reading(value, having, len(groups), "ok")


@dataclass(frozen=True)
class Figure:
    """One published figure in force: its amount in base units."""

    amount: int
    provisional: bool


def figures(cells: Totals, part: str, scope: str) -> dict[str, Figure]:
    """period -> figure of one scope."""
    found: dict[str, Figure] = {}
    for (name, cell), total in cells.items():
        dims = dict(cell)
        if name == part and dims.get("is") == "published" and dims["scope"] == scope and total > 0:
            value_cell = tuple((key, "value" if key == "is" else value) for key, value in cell)
            found[dims["period"]] = Figure(cells.get((part, value_cell), 0), dims["status"] == "p")
    return found


def period_end(period: str) -> date:
    """Last day of YYYY, YYYY-Qn or YYYY-MM."""
    year = int(period[:4])
    if len(period) == 4:
        return date(year, 12, 31)
    month = int(period[6:]) * 3 if "Q" in period else int(period[5:])
    return date(year, month, monthrange(year, month)[1])


def _pick(periods: set[str], wanted: str | None) -> str | None:
    if wanted is not None:
        return wanted if wanted in periods else None
    return max(periods, key=lambda period: (period_end(period), -len(period)), default=None)


def _statistic(plan: Plan, indicator: Indicator, cells: Totals, wanted: str | None) -> Reading:
    """The district's own figures; where it has none, the city's stand in. Both parts are of one scope (rule G6)."""
    for scope in (plan.district_scope, plan.municipal_scope):
        found = _of_scope(indicator, cells, scope, wanted)
        if found is not None:
            return replace(found, proxy=scope != plan.district_scope)
    return NO_DATA


def _of_scope(indicator: Indicator, cells: Totals, scope: str, wanted: str | None) -> Reading | None:
    numerators = figures(cells, "n", scope)
    if indicator.reader.name == "period_growth":
        return _period_growth(numerators, scope, wanted)
    denominators = figures(cells, "d", scope) if indicator.reader.denominator else None
    shared = numerators.keys() if denominators is None else numerators.keys() & denominators.keys()
    period = _pick(set(shared), wanted)
    if period is None:
        return None
    top, rests_on = numerators[period], {("n", period, scope): "n"}
    if denominators is None:
        state = "provisional" if top.provisional else "ok"
        exact: int | Fraction = Fraction(top.amount, indicator.scale) if indicator.unit == "%" else top.amount
        return Reading(Fraction(top.amount, indicator.scale), exact, None, state, period, rests_on=rests_on)
    return _share(top, denominators[period], period, rests_on | {("d", period, scope): "d"})


def _share(top: Figure, below: Figure, period: str, rests_on: dict[PublishedFigure, str], less: int = 0) -> Reading:
    """A percentage of one figure in another, `less` subtracted from the quotient."""
    if below.amount == 0:
        return Reading(None, top.amount, 0, "not_applicable", period, rests_on=rests_on)
    state = "provisional" if top.provisional or below.provisional else "ok"
    value = (Fraction(top.amount, below.amount) - less) * 100
    return Reading(value, top.amount, below.amount, state, period, rests_on=rests_on)


def _period_growth(numerators: Mapping[str, Figure], scope: str, wanted: str | None) -> Reading | None:
    annual = {period for period in numerators if len(period) == 4 and str(int(period) - 1) in numerators}
    period = _pick(annual, wanted)
    if period is None:
        return None
    before = str(int(period) - 1)
    rests_on = {("n", period, scope): "n", ("n", before, scope): "d"}
    return _share(numerators[period], numerators[before], period, rests_on, less=1)


def _per(plan: Plan, indicator: Indicator, cells: Totals, wanted: str | None) -> Reading:
    """The district's count over the district's own series: the city's would be another population (rule G6)."""
    number = sum(total for (part, _), total in cells.items() if part == "n")
    published = figures(cells, "d", plan.district_scope)
    period = _pick({period for period in published if len(period) == 4}, wanted)
    if period is None:
        return Reading(None, number, None, "no_data")
    below, rests_on = published[period], {("d", period, plan.district_scope): "d"}
    if below.amount == 0:
        return Reading(None, number, 0, "not_applicable", period, rests_on=rests_on)
    state = "provisional" if below.provisional else "ok"
    value = Fraction(number * int(indicator.reader.per or 1), below.amount)
    return Reading(value, number, below.amount, state, period, rests_on=rests_on)


def breakdown(plan: Plan, indicator: Indicator, totals: Totals, dim: str) -> dict[str, Reading]:
    """The same reader over the cells of each value of a dimension; towns in plan order, the rest sorted.

    Additive indicators: the parts plus `unassigned` equal the whole.
    """
    if dim not in {*indicator.dims, "town"} or indicator.reader.name in ("latest_period", "period_growth"):
        return {}
    cells = in_scope(plan, totals)
    if indicator.reader.name == "groups_with_any" and dim == indicator.reader.dim:
        return _group_cells(indicator, cells)
    groups: dict[str, Totals] = {key: {} for key in known_values(plan, dim)}
    for (part, cell), total in cells.items():
        value = dict(cell).get(dim)
        if value is not None:
            groups.setdefault(value or UNASSIGNED, {})[(part, cell)] = total
    loose = groups.pop(UNASSIGNED, None)
    named = [key for key in groups if key in set(known_values(plan, dim))]
    others = sorted(key for key in groups if key not in set(named))
    found = {key: read(plan, indicator, groups[key]) for key in [*named, *others]}
    if loose:
        found[UNASSIGNED] = read(plan, indicator, loose)
    return found


def known_values(plan: Plan, dim: str) -> list[str]:
    """Values of a dimension that are shown even when empty."""
    if dim == "town":
        return [town.code for town in plan.towns if town.in_scope]
    return list(plan.clusters) if dim == "cluster" else []


def _group_cells(indicator: Indicator, cells: Totals) -> dict[str, Reading]:
    """Each group by itself, one of one or none of one: their parts add up to the whole."""
    alone = (replace(indicator, reader=replace(indicator.reader, groups=(group,))) for group in indicator.reader.groups)
    return {one.reader.groups[0]: _groups(one, cells) for one in alone}
