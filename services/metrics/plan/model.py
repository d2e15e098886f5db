"""The plan as the software sees it: frozen, validated, free of files. Built by `loader`, read by the engine."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal

Text = Mapping[str, str]  # {"zh": …, "en": …}


@dataclass(frozen=True)
class Town:
    """A town or street (镇街), GB/T 2260 nine digits."""

    code: str
    name: Text
    in_scope: bool


@dataclass(frozen=True)
class Reader:
    """How the cells of an indicator become its value; which fields matter depends on `name`."""

    name: str  # sum ratio multiple growth groups_with_any latest_period period_growth per attested quantile
    numerator: str | None = None  # latest_period: series
    denominator: str | None = None
    series: str | None = None  # period_growth, per
    per: int | None = None
    dim: str | None = None  # groups_with_any
    groups: tuple[str, ...] = ()
    show: str = "ratio"  # groups_with_any: ratio or count
    share: Decimal | None = None  # quantile: 0.5 is the median


@dataclass(frozen=True)
class Part:
    """A numerator's or denominator's rule, as text of the rule language."""

    each: str  # "subject" or a record kind
    where: str | None
    when: str
    amount: str = "1"
    place: str = "current"  # current, at_start, at_baseline, record


@dataclass(frozen=True)
class Target:
    """What the plan asks for."""

    operator: str
    value: Decimal
    unit: str
    by: date
    deadline_stated: bool
    commitment: str  # 达到 力争 争取 加快


@dataclass(frozen=True)
class Point:
    """A value on a day: the baseline or a milestone."""

    on: date
    value: Decimal


@dataclass(frozen=True)
class Indicator:
    """One indicator definition, one version."""

    id: str
    name: Text
    clause: tuple[str, ...]
    kind: str  # stock flow cumulative ratio stat evidence
    unit: str
    decimals: int
    scale: int  # base units in one unit: 万元 10^6 fen
    reader: Reader
    numerator: Part | None = None
    denominator: Part | None = None
    dims: tuple[str, ...] = ()
    target: Target | None = None
    baseline: Point | None = None
    milestones: tuple[Point, ...] = ()
    person: bool = False
    value_series: bool = False
    definition_version: int = 1
    secondary: bool = False
    section: str = "A.1"
    formula: Text = field(default_factory=dict)
    measures: tuple[str, ...] = ()
    lead: tuple[str, ...] = ()
    responsible: tuple[str, ...] = ()


@dataclass(frozen=True)
class Measure:
    """One of the plan's measures (工作举措)."""

    clause: str
    title: Text
    lead: tuple[str, ...]
    responsible: tuple[str, ...]
    commitments: tuple[str, ...]
    indicators: tuple[str, ...]


@dataclass(frozen=True)
class Plan:
    """A whole plan."""

    id: str
    name: Text
    district_scope: str
    municipal_scope: str
    window: tuple[date, date]
    baseline_date: date
    deadline: date
    towns: tuple[Town, ...]
    clusters: Mapping[str, Text]
    units: Mapping[str, Text]
    lists: Mapping[str, tuple[str, ...]]
    sets: Mapping[str, str]
    indicators: Mapping[str, Indicator]
    measures: tuple[Measure, ...]
    industries: tuple[str, ...]  # prefixes of GB/T 4754 classes of high-technology manufacturing
