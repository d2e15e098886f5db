"""A plan's indicators compiled: from a subject to the rows that it contributes.

A row says: from `start` to before `end`, this subject adds `amount` to one part of one indicator in one cell.
Everything that the product computes is a sum of rows; a recount is the same function over all subjects.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from services.metrics.engine import days as d
from services.metrics.engine.language import Compiler, Condition, Moment, RuleError, SetOfDays
from services.metrics.engine.series import SeriesRule, series_rules
from services.metrics.engine.subject import Spells, Subject, filled, text_of, value_on
from services.metrics.engine.views import ENTERPRISES, KINDS, LEVELS, View
from services.metrics.plan.model import Indicator, Part, Plan

Cell = tuple[tuple[str, str], ...]
FROZEN = frozenset({"at_start", "at_baseline"})
ENTERPRISE_DIMS = ("town", "cluster", "hitech_zone")
EVIDENCE = "evidence-items"
STATISTICS = "statistics"


@dataclass(frozen=True, slots=True)
class Row:
    """One step up at `start` and down at `end` (day ordinals) of `amount` base units (家, 人, fen, 10⁻⁶ %)."""

    indicator: str
    part: str  # "n" numerator, "d" denominator
    cell: Cell
    start: int
    end: int
    amount: int
    record: str


@dataclass(frozen=True)
class PartRule:
    """One compiled part of an indicator."""

    indicator: str
    part: str
    spec: Part
    when: SetOfDays
    where: Condition | None
    kinds: frozenset[str]
    dims: tuple[str, ...]
    baseline: int = 0

    def rows(self, subject: Subject) -> Iterator[Row]:
        """The rows of a subject; none when it has no record of a kind that the rule reads."""
        if self.spec.each == "subject":
            moment = Moment(subject)
            found = self.when(moment)
            if found:
                yield from self._place(subject, moment.chosen if self.spec.place == "record" else None, found, 1)
            return
        for view in subject.of(self.spec.each):
            if self.where is not None and not self.where(view):
                continue
            found = self.when(Moment(subject, view))
            if found:
                yield from self._place(subject, view, found, self._amount(view))

    def _amount(self, view: View) -> int:
        return 1 if self.spec.amount in ("1", 1) else int(view.data[str(self.spec.amount)])

    def _place(self, subject: Subject, view: View | None, found: d.Days, amount: int) -> Iterator[Row]:
        record = view.name if view else ""
        spelled = [(dim, self._spells(dim, subject, view)) for dim in self.dims]
        for start, end in found:
            if self.spec.place in FROZEN:
                day = start if self.spec.place == "at_start" else self.baseline
                cell = tuple((dim, value_on(spells, day)) for dim, spells in spelled)
                yield Row(self.indicator, self.part, cell, start, end, amount, record)
                continue
            for low, high in _pieces(start, end, [spells for _, spells in spelled]):
                cell = tuple((dim, value_on(spells, low)) for dim, spells in spelled)
                yield Row(self.indicator, self.part, cell, low, high, amount, record)

    def _spells(self, dim: str, subject: Subject, view: View | None) -> Spells:
        if dim in ENTERPRISE_DIMS and (view is None or self.spec.place != "record"):
            return subject.spells(dim)
        if view is None:
            return ((1, d.FOREVER, ""),)
        if dim == "town":
            return filled(view.data.get("towns"), view.data.get("town_code"))
        if dim == "level":
            return _levels(view)
        return ((1, d.FOREVER, _own(dim, view)),)


def _own(dim: str, view: View) -> str:
    fields = {
        "kind": ("platform_kind", "contract_type", "category", "intro_mode"),
        "cluster": ("cluster_code",),
        "degree": ("degree_level",),
        "year": (view.kind.start,),
    }.get(dim, (dim,))
    value = text_of(next((view.data[name] for name in fields if view.data.get(name)), None))
    return value[:4] if dim == "year" else value


def _levels(view: View) -> Spells:
    """The highest level in force over time; before and after, the highest that ever was."""
    edges = sorted({edge for level in LEVELS for span in view.accredited(level) for edge in span} | {1, d.FOREVER})
    best = [level for level in reversed(LEVELS) if view.accredited(level)]
    found = []
    for low, high in itertools.pairwise(edges):
        held = next((level for level in reversed(LEVELS) if d.contains(view.accredited(level), low)), best[0] if best else "")
        found.append((low, high, held))
    return tuple(found)


def _pieces(start: int, end: int, spelled: list[Spells]) -> Iterator[tuple[int, int]]:
    edges = {start, end}
    for spells in spelled:
        edges.update(edge for low, high, _ in spells for edge in (low, high) if start < edge < end)
    ordered = sorted(edges)
    yield from itertools.pairwise(ordered)


class Rules:
    """All compiled rules of a plan, found by the record kind that an event changed."""

    def __init__(self, parts: list[PartRule], series: list[SeriesRule]) -> None:
        self.parts = parts
        self.series = series
        self._by_kind = {kind: [rule for rule in parts if kind in rule.kinds] for kind in KINDS}
        self._by_kind[ENTERPRISES] = [rule for rule in parts if _reads_enterprise(rule)]

    def reading(self, kind: str) -> frozenset[str]:
        """Ids of the indicators whose rows a change of this kind can move."""
        if kind == STATISTICS:
            return frozenset(rule.indicator for rule in self.series)
        return frozenset(rule.indicator for rule in self._by_kind.get(kind, ()))

    def of(self, indicator: str) -> list[PartRule]:
        """The rules of one indicator."""
        return [rule for rule in self.parts if rule.indicator == indicator]

    def rows(self, subject: Subject, indicators: frozenset[str] | None = None) -> list[Row]:
        """Every row of a subject, or those of some indicators; each row once."""
        found: dict[Row, None] = {}
        if STATISTICS in subject.views:
            for rule in self.series:
                if indicators is None or rule.indicator in indicators:
                    found.update((Row(rule.indicator, *row), None) for row in rule.rows(subject))
        present = subject.views.keys()
        for part in self.parts:
            if (indicators is None or part.indicator in indicators) and part.kinds & present:
                found.update((row, None) for row in part.rows(subject))
        return list(found)


def _reads_enterprise(rule: PartRule) -> bool:
    """Rules over persons, series and bases read no enterprise: a firm's change cannot move them."""
    return bool(
        rule.kinds - {"introductions", "talent-recognitions", "teams", STATISTICS, "agri-bases", "agri-varieties", EVIDENCE}
    )


def compile_plan(plan: Plan) -> Rules:
    """Compile every rule of a plan. Raises RuleError for the first that is wrong."""
    parts = [rule for indicator in plan.indicators.values() for rule in compile_indicator(plan, indicator)]
    return Rules(parts, series_rules(plan))


def compile_indicator(plan: Plan, indicator: Indicator) -> Iterable[PartRule]:
    """The compiled parts of one indicator: none for a statistic, its evidence items for an attested one."""
    if indicator.reader.name == "attested" and indicator.numerator is None:
        return [_attested(indicator)]
    pairs = (("n", indicator.numerator), ("d", indicator.denominator))
    return [_part(plan, indicator, part, spec) for part, spec in pairs if spec is not None]


def _attested(indicator: Indicator) -> PartRule:
    spec = Part(each=EVIDENCE, where=None, when="since(this)", amount="1", place="record")
    return PartRule(
        indicator.id,
        "n",
        spec,
        lambda moment: moment.this.since if moment.this else d.NEVER,
        lambda view: view.data.get("indicator_id") == indicator.id,
        frozenset({EVIDENCE}),
        ("town",),
    )


def _part(plan: Plan, indicator: Indicator, part: str, spec: Part) -> PartRule:
    name = "numerator" if part == "n" else "denominator"
    if spec.each != "subject" and spec.each not in KINDS:
        raise RuleError(indicator.id, name, f"no record kind {spec.each}")
    kind = KINDS.get(spec.each)
    compiler = compiler_of(plan)
    compiler.this = kind
    try:
        when = compiler.days(spec.when)
        where = compiler.condition(spec.where, kind) if spec.where and kind else None
    except ValueError as wrong:
        raise RuleError(indicator.id, name, str(wrong)) from None
    if kind and str(spec.amount) != "1" and str(spec.amount) not in kind.fields:
        raise RuleError(indicator.id, name, f"{kind.name} has no field {spec.amount}")
    kinds = frozenset(compiler.kinds | ({kind.name} if kind else set()))
    dims = tuple(dict.fromkeys(("town", *indicator.dims)))
    return PartRule(indicator.id, part, spec, when, where, kinds, tuple(sorted(dims)), compiler.baseline)


def compiler_of(plan: Plan) -> Compiler:
    """A compiler that knows the plan's names."""
    start, end = plan.window
    return Compiler(
        lists=plan.lists,
        sets=plan.sets,
        window=(start.toordinal(), end.toordinal()),
        baseline=plan.baseline_date.toordinal(),
        last_year=plan.deadline.year,
        industries={"hightech_manufacturing": tuple(plan.industries)},
    )
