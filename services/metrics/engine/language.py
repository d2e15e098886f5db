"""The rule language of `plans/`: expressions in Python's syntax over sets of days and record fields.

Parsed with `ast` and compiled to closures; nothing of Python itself can be reached from a plan.
"""

from __future__ import annotations

import ast
import operator
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import Any

from services.metrics.engine import days as d
from services.metrics.engine.subject import Subject
from services.metrics.engine.views import BY_IDENTIFIER, KINDS, LEVELS, Kind, View


class RuleError(ValueError):
    """A rule that cannot be compiled; says what is wrong, and where."""

    def __init__(self, indicator: str, part: str, message: str) -> None:
        super().__init__(f"{indicator}: {part}: {message}")
        self.indicator, self.part, self.message = indicator, part, message


@dataclass
class Moment:
    """What an expression is evaluated against. `chosen` is the first record that gave days: `place: record` takes its."""

    subject: Subject
    this: View | None = None
    chosen: View | None = None


SetOfDays = Callable[[Moment], d.Days]
Condition = Callable[[View], Any]


@dataclass
class Compiler:
    """Turns text into closures; collects the kinds that the text reads in `kinds`."""

    lists: Mapping[str, tuple[str, ...]]
    sets: Mapping[str, str]
    window: tuple[int, int]
    baseline: int
    last_year: int
    industries: Mapping[str, tuple[str, ...]]
    this: Kind | None = None
    kinds: set[str] = field(default_factory=set)
    _open: list[str] = field(default_factory=list)

    def days(self, text: str) -> SetOfDays:
        """Compile a set-of-days expression. Raises ValueError with the reason."""
        return self._days(parse(text))

    def condition(self, text: str, kind: Kind) -> Condition:
        """Compile a boolean expression over the fields of `kind`."""
        return self._condition(parse(text), kind)

    def _days(self, node: ast.expr) -> SetOfDays:
        if isinstance(node, ast.BinOp):
            return self._operation(node)
        if isinstance(node, ast.Name):
            return self._name(node.id)
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
            made = getattr(self, f"_call_{node.func.id}", None)
            if made is None:
                raise ValueError(f"unknown function {node.func.id}()")
            result: SetOfDays = made(node.args)
            return result
        raise ValueError(f"not a set of days: {ast.unparse(node)}")

    def _operation(self, node: ast.BinOp) -> SetOfDays:
        left, right = self._days(node.left), self._days(node.right)
        kind: dict[type[ast.operator], Callable[[d.Days, d.Days], d.Days]] = {
            ast.BitAnd: d.intersection,
            ast.BitOr: d.union,
            ast.Sub: d.difference,
        }
        combine = kind.get(type(node.op))
        if combine is None:
            raise ValueError(f"only & | - join sets of days: {ast.unparse(node)}")
        return lambda moment: combine(left(moment), right(moment))

    def _name(self, name: str) -> SetOfDays:
        if name == "alive":
            return lambda moment: moment.subject.alive
        if name == "gone":
            return lambda moment: moment.subject.gone
        if name == "plan_window":
            window = d.interval(*self.window)
            return lambda _: window
        if name not in self.sets:
            raise ValueError(f"unknown set {name}")
        if name in self._open:
            raise ValueError(f"cycle: {' -> '.join([*self._open, name])}")
        self._open.append(name)
        made = self.days(self.sets[name])
        self._open.pop()
        return made

    def _records(self, args: list[ast.expr]) -> Callable[[Moment], list[View]]:
        """The records that `this` or `kind[, condition]` names."""
        if not args or not isinstance(args[0], ast.Name):
            raise ValueError("the first argument is `this` or a record kind")
        if args[0].id == "this":
            if self.this is None:
                raise ValueError("`this` needs `each: <kind>`")
            return lambda moment: [moment.this] if moment.this else []
        kind = BY_IDENTIFIER.get(args[0].id)
        if kind is None:
            raise ValueError(f"no record kind {args[0].id}")
        self.kinds.add(kind.name)
        name = kind.name
        if len(args) < 2:
            return lambda moment: list(moment.subject.of(name))
        test = self._condition(args[1], kind)
        return lambda moment: [view for view in moment.subject.of(name) if test(view)]

    def _over(self, args: list[ast.expr], of: Callable[[View], d.Days]) -> SetOfDays:
        records = self._records(args)

        def over(moment: Moment) -> d.Days:
            found = [(of(view), view) for view in records(moment)]
            if moment.chosen is None:
                moment.chosen = next((view for days, view in found if days), None)
            return d.union(*[days for days, _ in found] or [d.NEVER])

        return over

    def _call_valid(self, args: list[ast.expr]) -> SetOfDays:
        records = self._records(args)

        def valid(moment: Moment) -> d.Days:
            return d.union(*[in_force(view, moment.subject) for view in records(moment)] or [d.NEVER])

        if isinstance(args[0], ast.Name) and "rd_units" in (args[0].id, self.this and self.this.name.replace("-", "_")):
            self.kinds.add("platforms")  # a unit that names a platform stands and falls with it
        return valid

    def _call_since(self, args: list[ast.expr]) -> SetOfDays:
        return self._over(args, lambda view: view.since)

    def _call_in_post(self, args: list[ast.expr]) -> SetOfDays:
        return self._over(args, lambda view: view.in_post)

    def _call_annual(self, args: list[ast.expr]) -> SetOfDays:
        return self._over(args, lambda view: d.intersection(view.since, self._year(view.start)))

    def _call_year_entered(self, args: list[ast.expr]) -> SetOfDays:
        def of(view: View) -> d.Days:
            first = d.ordinal(f"{int(view.data['eval_year'])}-01-01")
            return d.intersection(view.since, self._year(first))

        return self._over(args, of)

    def _year(self, day: int | None) -> d.Days:
        """From the start of the day's year to its end; the deadline's year stays the one that is read afterwards."""
        if day is None:
            return d.NEVER
        year = date.fromordinal(day).year
        first = date(year, 1, 1).toordinal()
        if year > self.last_year:
            return d.NEVER
        return d.interval(first, None if year == self.last_year else d.year_end(day))

    def _call_accredited(self, args: list[ast.expr]) -> SetOfDays:
        if len(args) < 2 or not isinstance(args[1], ast.Constant) or args[1].value not in LEVELS:
            raise ValueError(f"accredited() takes records and a level of {', '.join(LEVELS)}")
        level = str(args[1].value)
        return self._over([args[0], *args[2:]], lambda view: view.accredited(level))

    def _call_started_in(self, args: list[ast.expr]) -> SetOfDays:
        inside = self._days(args[-1])
        records = self._records(args[:-1])

        def started(moment: Moment) -> d.Days:
            window = inside(moment)
            within = [view for view in records(moment) if view.since and d.contains(window, view.start or 0)]
            moment.chosen = moment.chosen or next(iter(within), None)
            return d.union(*[view.since for view in within] or [d.NEVER])

        return started

    def _call_first(self, args: list[ast.expr]) -> SetOfDays:
        records = self._records(args)

        def first(moment: Moment) -> d.Days:
            moment.chosen = next((view for view in records(moment) if view.since), None)
            return moment.chosen.since if moment.chosen else d.NEVER

        return first

    def _call_industry_division(self, args: list[ast.expr]) -> SetOfDays:
        low, high = (int(_constant(arg)) for arg in args)
        divisions = tuple(f"{n:02d}" for n in range(low, high + 1))
        return lambda moment: moment.subject.industry_days(divisions)

    def _call_industry_in(self, args: list[ast.expr]) -> SetOfDays:
        name = str(_constant(args[0]))
        if name not in self.industries:
            raise ValueError(f"unknown industry class {name}")
        prefixes = self.industries[name]
        return lambda moment: moment.subject.industry_days(prefixes)

    def _call_at(self, args: list[ast.expr]) -> SetOfDays:
        held = self._days(args[1])
        day = self._day(args[0])
        return lambda moment: d.ALWAYS if d.contains(held(moment), day(moment)) else d.NEVER

    def _day(self, node: ast.expr) -> Callable[[Moment], int]:
        if isinstance(node, ast.Name) and node.id == "baseline_date":
            return lambda _: self.baseline
        if isinstance(node, ast.Name) and node.id == "start" and self.this is not None:
            return lambda moment: (moment.this.start if moment.this else None) or d.FOREVER
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            fixed = d.ordinal(node.value)
            return lambda _: fixed
        raise ValueError(f"at() takes baseline_date, start (of this record) or a date: {ast.unparse(node)}")

    def _call_moved_in_with(self, args: list[ast.expr]) -> SetOfDays:
        held = self._days(args[0])

        def moved(moment: Moment) -> d.Days:
            founded = (moment.subject.enterprise or {}).get("established_on")
            known = d.ordinal(founded) if founded else None
            arrivals = [start for start, _ in moment.subject.alive if start != known and d.contains(held(moment), start)]
            return d.interval(min(arrivals), None) if arrivals else d.NEVER

        return moved

    def _call_entered_with(self, args: list[ast.expr]) -> SetOfDays:
        entered, held = self._days(args[0]), self._days(args[1])

        def days(moment: Moment) -> d.Days:
            starts = [start for start, _ in entered(moment) if d.contains(held(moment), start)]
            return d.interval(min(starts), None) if starts else d.NEVER

        return days

    def _condition(self, node: ast.expr, kind: Kind) -> Condition:
        if isinstance(node, ast.BoolOp):
            parts = [self._condition(value, kind) for value in node.values]
            join = all if isinstance(node.op, ast.And) else any
            return lambda view: join(part(view) for part in parts)
        if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not):
            inner = self._condition(node.operand, kind)
            return lambda view: not inner(view)
        if isinstance(node, ast.Compare) and len(node.ops) == 1:
            return self._comparison(node, kind)
        raise ValueError(f"not a condition: {ast.unparse(node)}")

    def _comparison(self, node: ast.Compare, kind: Kind) -> Condition:
        compare = _COMPARISONS.get(type(node.ops[0]))
        if compare is None:
            raise ValueError(f"not a comparison that is known: {ast.unparse(node)}")
        left, right = self._operand(node.left, kind), self._operand(node.comparators[0], kind)
        return lambda view: compare(left(view), right(view))

    def _operand(self, node: ast.expr, kind: Kind) -> Condition:
        if isinstance(node, ast.Constant):
            return lambda _: node.value
        if isinstance(node, ast.List | ast.Tuple):
            values = tuple(_constant(item) for item in node.elts)
            return lambda _: values
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in ("len", "first_level"):
            return self._measure(node, kind)
        if not isinstance(node, ast.Name):
            raise ValueError(f"not a value: {ast.unparse(node)}")
        return self._field(node.id, kind)

    def _measure(self, node: ast.Call, kind: Kind) -> Condition:
        assert isinstance(node.func, ast.Name)
        if node.func.id == "first_level":
            return first_level
        inner = self._operand(node.args[0], kind)
        return lambda view: len(inner(view) or ())

    def _field(self, name: str, kind: Kind) -> Condition:
        if name == "start":
            return lambda view: view.start
        if name == "plan_window":
            window = range(*self.window)
            return lambda _: window
        if name in self.lists:
            values = frozenset(self.lists[name])
            return lambda _: values
        if name not in kind.fields:
            raise ValueError(f"{kind.name} has no field {name}, and the plan has no list of that name")
        return lambda view: view.data.get(name)


_COMPARISONS: dict[type[ast.cmpop], Callable[[Any, Any], Any]] = {
    ast.Eq: operator.eq,
    ast.NotEq: operator.ne,
    ast.In: lambda a, b: a is not None and a in b,
    ast.NotIn: lambda a, b: a not in b,
    ast.GtE: lambda a, b: a is not None and a >= b,
    ast.Gt: lambda a, b: a is not None and a > b,
    ast.LtE: lambda a, b: a is not None and a <= b,
    ast.Lt: lambda a, b: a is not None and a < b,
}


def in_force(view: View, subject: Subject) -> d.Days:
    """Valid days of a record; an R&D unit that names a platform also needs that platform accredited."""
    platform = view.data.get("platform_id") if view.kind.name == "rd-units" else None
    if not platform:
        return view.valid
    named = [other.valid for other in subject.of("platforms") if other.id == platform]
    return d.intersection(view.valid, named[0]) if named else d.NEVER


def first_level(view: View) -> str | None:
    """Level of a platform's earliest accreditation; the lower one on the same day."""
    given = [a for a in view.data.get("accreditations") or () if a.get("granted_on")]
    if not given:
        return None
    return str(min(given, key=lambda a: (a["granted_on"], LEVELS.index(a["level"])))["level"])


def parse(text: str) -> ast.expr:
    """Python's own parser, expressions only."""
    try:
        return ast.parse(text.strip(), mode="eval").body
    except SyntaxError as wrong:
        raise ValueError(f"cannot be read: {wrong.msg}: {text}") from None


def _constant(node: ast.expr) -> Any:
    if not isinstance(node, ast.Constant):
        raise ValueError(f"a constant is wanted: {ast.unparse(node)}")
    return node.value


__all__ = ["KINDS", "Compiler", "Condition", "Moment", "RuleError", "SetOfDays", "first_level", "in_force", "parse"]
