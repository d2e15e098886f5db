"""Policy expressions: a small part of the Common Expression Language, typed, without input or output, bounded in cost.

Integers only: money is fen, and a share of it is `share(amount, numerator, denominator)`, exact and rounded half up.
Days are texts `YYYY-MM-DD`, which compare as days do. docs/adr/0017.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import date
from functools import cache, cached_property
from typing import Any

from cel_expr_python import cel

from services.incentives.eligibility.catalogue import FACTS, Type

LONGEST = 2_000  # characters of one expression
KEPT = 4_096  # compiled expressions per process
STRING = re.compile(r"""("(?:[^"\\\n]|\\.)*"|'(?:[^'\\\n]|\\.)*')""")
FRACTION = re.compile(r"\d\.\d|(?<![\w.\])])\.\d|\b\d+[eE][+-]?\d")
PLACE = re.compile(r"ERROR: <input>:(\d+):(\d+): (.*)")
NAME = re.compile(r"\b(?:enterprise|introduction)\.\w+|\b(?:on|reference)\b")
TYPES = {
    Type.INT: cel.Type.INT, Type.BOOL: cel.Type.BOOL, Type.TEXT: cel.Type.STRING, Type.DAY: cel.Type.STRING,
    Type.TEXTS: cel.Type.List(cel.Type.STRING),
}
LANGUAGE = """
name: policies
stdlib:
  exclude_functions: [{name: double}, {name: uint}, {name: dyn}, {name: type}, {name: bytes}, {name: matches},
    {name: timestamp}, {name: duration}]
"""


class Wrong(Exception):
    """An expression that cannot be used; `line` and `column` count from 1."""

    def __init__(self, reason: str, line: int = 1, column: int = 1) -> None:
        super().__init__(f"{line}:{column}: {reason}")
        self.reason, self.line, self.column = reason, line, column


class Missing(Exception):
    """A value that the expression needs is not known; `names` of facts."""

    def __init__(self, names: tuple[str, ...]) -> None:
        super().__init__(", ".join(names))
        self.names = names


class Failed(Exception):
    """The values are known and the expression has no result all the same, for example a division by zero."""


def share(amount: int, numerator: int, denominator: int) -> int:
    """amount × numerator ÷ denominator, exact, half up. Raises ZeroDivisionError."""
    return (2 * amount * numerator + denominator) // (2 * denominator)


def days_between(first: str, last: str) -> int:
    """Days from the first day to the last; negative when it lies before."""
    return (date.fromisoformat(last) - date.fromisoformat(first)).days


def months_between(first: str, last: str) -> int:
    """Whole months from the first day to the last (full months only, as ages are counted)."""
    a, b = date.fromisoformat(first), date.fromisoformat(last)
    if b < a:
        return -months_between(last, first)
    return (b.year - a.year) * 12 + b.month - a.month - (b.day < a.day)


def years_between(first: str, last: str) -> int:
    """Whole years from the first day to the last."""
    months = months_between(first, last)
    return months // 12 if months >= 0 else -(-months // 12)


def year_of(day: str) -> int:
    """The calendar year of a day."""
    return date.fromisoformat(day).year


FUNCTIONS = {
    "share": (share, (cel.Type.INT,) * 3), "year_of": (year_of, (cel.Type.STRING,)),
    "days_between": (days_between, (cel.Type.STRING,) * 2), "months_between": (months_between, (cel.Type.STRING,) * 2),
    "years_between": (years_between, (cel.Type.STRING,) * 2),
}


@cache
def _language() -> Any:
    return cel.NewEnv(
        config=cel.NewEnvConfigFromYaml(LANGUAGE),
        variables={name: TYPES[fact.type] for name, fact in FACTS.items()},
        functions=[
            cel.FunctionDecl(name, [cel.Overload(f"{name}_1", return_type=cel.Type.INT, parameters=list(takes), impl=impl)])
            for name, (impl, takes) in FUNCTIONS.items()
        ],
    )


class Expression:
    """A compiled expression. `names` are the facts that it reads."""

    def __init__(self, text: str, compiled: Any) -> None:
        self.text, self._compiled = text, compiled

    @cached_property
    def type(self) -> str:
        """INT, BOOL, STRING or LIST<…>."""
        return str(self._compiled.return_type().name())

    @cached_property
    def names(self) -> tuple[str, ...]:
        """The facts that it reads, in their order."""
        found = NAME.findall(STRING.sub("''", self.text))
        return tuple(name for name in dict.fromkeys(found) if name in FACTS)

    def value(self, facts: Mapping[str, Any]) -> Any:
        """Its value over flat facts. Raises Missing naming what is not known, Failed when it has none."""
        known = {name: facts[name] for name in self.names if facts.get(name) is not None}
        try:
            found = self._compiled.eval(data=known)
        except RuntimeError as wrong:  # the budget of iterations is spent
            raise Failed(str(wrong)) from None
        if found.type() == cel.Type.ERROR:
            missing = tuple(name for name in self.names if name not in known)
            raise Missing(missing) if missing else Failed(str(found.value()).partition(": ")[2])
        return found.plain_value()


@cache
def _kept(text: str) -> Expression:
    if _kept.cache_info().currsize > KEPT:
        _kept.cache_clear()
    try:
        return Expression(text, _language().compile(text))
    except RuntimeError as wrong:
        place = PLACE.search(str(wrong))
        if place:
            raise Wrong(place.group(3).removesuffix(" (in container '')"), int(place.group(1)), int(place.group(2))) from None
        raise Wrong(str(wrong).partition(": ")[2].partition(" [")[0] or "cannot be read") from None


def compiled(text: str, *wanted: str) -> Expression:
    """Compile, refusing any result type but those `wanted` (all when none is named). Raises Wrong with place and reason."""
    if len(text) > LONGEST:
        raise Wrong(f"an expression has at most {LONGEST} characters")
    bare = STRING.sub(lambda found: "'" + " " * (len(found.group()) - 2) + "'", text)
    fraction = FRACTION.search(bare)
    if fraction:
        line = bare.count("\n", 0, fraction.start()) + 1
        raise Wrong("integers only: use share(amount, numerator, denominator)", line, fraction.start() - bare.rfind("\n", 0, fraction.start()))
    found = _kept(text)
    if wanted and found.type not in wanted:
        raise Wrong(f"gives {found.type}, wanted is {' or '.join(wanted)}")
    return found
