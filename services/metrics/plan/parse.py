"""From a plan's files to a `Plan`, and every fault of form or reference on the way.

The rules themselves are compiled in `check`; here only what can be seen without the rule language.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from pathlib import Path

from services.metrics.plan.indicator import read_indicator
from services.metrics.plan.model import Indicator, Measure, Plan, Text, Town
from services.metrics.plan.source import PlanFault, Spot, read_csv, read_yaml

PLAN, INDICATORS, MEASURES, TOWNS, INDUSTRIES = "plan.yaml", "indicators.yaml", "measures.yaml", "towns.csv", "industries.csv"
LEDGER = "ledger.yaml"  # figures beside the plan's own; a plan may have none
PLAN_FIELDS = (
    "id", "name", "district_scope", "municipal_scope", "window", "baseline_date", "deadline", "clusters", "units", "lists",
    "sets",
)  # fmt: skip
MEASURE_FIELDS = ("clause", "title", "lead", "responsible", "commitments", "indicators")


@dataclass
class Draft:
    """What was read. `plan` is None when a file could not be read at all; `clean` holds ids of well-formed indicators."""

    plan: Plan | None = None
    faults: list[PlanFault] = field(default_factory=list)
    places: dict[tuple[str, ...], Spot] = field(default_factory=dict)
    clean: set[str] = field(default_factory=set)


def read_plan(directory: Path) -> Draft:
    """Read a plan folder."""
    draft = Draft()
    faults = draft.faults
    roots = [read_yaml(directory, file, faults) for file in (PLAN, INDICATORS, MEASURES)]
    towns = _towns(directory, faults)
    industries = _industries(directory, faults)
    head, indicators, measures = roots
    if head is None or indicators is None or measures is None:
        return draft
    plan = replace(_head(head, draft), towns=towns, industries=industries)
    ledger = read_yaml(directory, LEDGER, faults) if (directory / LEDGER).exists() else None
    found = _indicators([indicators, *([ledger] if ledger else [])], plan, draft)
    steps = _measures(measures, plan, found)
    draft.plan = replace(plan, indicators=_with_measures(found, steps), measures=steps)
    return draft


def _head(root: Spot, draft: Draft) -> Plan:
    fields = root.fields(PLAN_FIELDS)
    window = fields["window"].fields(("from", "to"))
    lists, sets = fields["lists"].entries(), fields["sets"].entries()
    draft.places.update({("list", name): spot for name, spot in lists.items()})
    draft.places.update({("set", name): spot for name, spot in sets.items()})
    plan = Plan(
        id=fields["id"].text(),
        name=fields["name"].names(),
        district_scope=fields["district_scope"].text(),
        municipal_scope=fields["municipal_scope"].text(),
        window=(window["from"].day(), window["to"].day()),
        baseline_date=fields["baseline_date"].day(),
        deadline=fields["deadline"].day(),
        towns=(),
        clusters=_named(fields["clusters"]),
        units=_named(fields["units"]),
        lists={name: spot.texts() for name, spot in lists.items()},
        sets={name: spot.text() for name, spot in sets.items()},
        indicators={},
        measures=(),
        industries=(),
    )
    _check_days(plan, fields)
    return plan


def _named(spot: Spot) -> dict[str, Text]:
    return {key: item.names() for key, item in spot.entries().items()}


def _check_days(plan: Plan, fields: Mapping[str, Spot]) -> None:
    first, last = plan.window
    if date.min in (first, last, plan.baseline_date, plan.deadline):
        return  # one of them could not be read, and that is a fault already
    if first >= last:
        fields["window"].fault("the window ends before it begins")
    elif not first <= plan.deadline < last:
        fields["deadline"].fault("the deadline must lie inside the window")
    if plan.baseline_date >= first:
        fields["baseline_date"].fault("the baseline must lie before the window")


def _towns(directory: Path, faults: list[PlanFault]) -> tuple[Town, ...]:
    found: dict[str, Town] = {}
    for line, row in read_csv(directory, TOWNS, ("code", "zh", "en", "in_scope"), faults):
        code, scope = row["code"], row["in_scope"]
        if not (len(code) == 9 and code.isascii() and code.isdigit()):
            faults.append(PlanFault(TOWNS, line, f"{code} is no code of nine digits"))
        elif code in found:
            faults.append(PlanFault(TOWNS, line, f"{code} is given twice"))
        elif scope not in ("true", "false"):
            faults.append(PlanFault(TOWNS, line, f"in_scope is true or false, not {scope}"))
        else:
            found[code] = Town(code, {"zh": row["zh"], "en": row["en"]}, scope == "true")
    return tuple(found.values())


def _industries(directory: Path, faults: list[PlanFault]) -> tuple[str, ...]:
    found: list[str] = []
    for line, row in read_csv(directory, INDUSTRIES, ("prefix", "zh"), faults):
        prefix = row["prefix"]
        if not (2 <= len(prefix) <= 4 and prefix.isascii() and prefix.isdigit()):
            faults.append(PlanFault(INDUSTRIES, line, f"{prefix} is no division, group or class of GB/T 4754"))
        elif any(prefix.startswith(other) or other.startswith(prefix) for other in found):
            faults.append(PlanFault(INDUSTRIES, line, f"{prefix} is covered twice"))
        else:
            found.append(prefix)
    return tuple(found)


def _indicators(roots: Sequence[Spot], plan: Plan, draft: Draft) -> dict[str, Indicator]:
    """The plan's own first, in the order of their files."""
    found: dict[str, Indicator] = {}
    for spot in (spot for root in roots for spot in root.items()):
        before = len(draft.faults)
        indicator = read_indicator(spot, plan, draft.places)
        if indicator.id in found:
            spot.fault(f"indicator {indicator.id} is defined twice")
        if len(draft.faults) == before:
            draft.clean.add(indicator.id)
        found.setdefault(indicator.id, indicator)
    return found


def _measures(root: Spot, plan: Plan, indicators: Mapping[str, Indicator]) -> tuple[Measure, ...]:
    found: dict[str, Measure] = {}
    for spot in root.items():
        fields = spot.fields(MEASURE_FIELDS)
        measure = Measure(
            clause=fields["clause"].text(),
            title=fields["title"].names(),
            lead=fields["lead"].some_of(plan.units, "unit"),
            responsible=fields["responsible"].some_of(plan.units, "unit"),
            commitments=fields["commitments"].texts(),
            indicators=fields["indicators"].some_of(indicators, "indicator"),
        )
        if measure.clause in found:
            spot.fault(f"measure {measure.clause} is given twice")
        found.setdefault(measure.clause, measure)
    return tuple(found.values())


def _with_measures(indicators: Mapping[str, Indicator], measures: tuple[Measure, ...]) -> dict[str, Indicator]:
    """Each indicator with the measures that serve it and, unless its own entry says so, their units."""
    found = {}
    for indicator in indicators.values():
        serving = [measure for measure in measures if indicator.id in measure.indicators]
        lead = indicator.lead or tuple(dict.fromkeys(unit for measure in serving for unit in measure.lead))
        joined = indicator.responsible or tuple(dict.fromkeys(unit for measure in serving for unit in measure.responsible))
        found[indicator.id] = replace(
            indicator,
            measures=tuple(measure.clause for measure in serving),
            lead=lead,
            responsible=tuple(unit for unit in joined if unit not in lead),
        )
    return found
