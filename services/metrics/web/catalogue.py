"""The plan, its measures and its code lists as JSON."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from datetime import date
from decimal import Decimal
from typing import Any

from services.metrics.plan.model import Indicator, Measure, Part, Plan, Point
from services.metrics.readings import Item, dims_of

STATES = {
    "ok": ("正常", "ok"),
    "provisional": ("初步数", "provisional"),
    "not_applicable": ("不适用", "not applicable"),
    "no_data": ("无数据", "no data"),
    "stale": ("数据陈旧", "stale"),
    "suppressed": ("不公开", "suppressed"),
}
VERDICTS = {
    "achieved": ("已达成", "achieved"),
    "on_track": ("正常推进", "on track"),
    "at_risk": ("有风险", "at risk"),
    "behind": ("滞后", "behind"),
    "not_assessable": ("不评判", "not assessable"),
}


def plan_json(plan: Plan) -> dict[str, Any]:
    """The whole plan: towns, clusters, units, definitions, targets."""
    return {
        "id": plan.id,
        "name": dict(plan.name),
        "district_scope": plan.district_scope,
        "municipal_scope": plan.municipal_scope,
        "window": [day.isoformat() for day in plan.window],
        "baseline_date": plan.baseline_date.isoformat(),
        "deadline": plan.deadline.isoformat(),
        "towns": [{"code": town.code, "name": dict(town.name), "in_scope": town.in_scope} for town in plan.towns],
        "clusters": [{"code": code, "name": dict(name)} for code, name in plan.clusters.items()],
        "units": [{"code": code, "name": dict(name)} for code, name in plan.units.items()],
        "indicators": [definition_json(indicator) for indicator in plan.indicators.values()],
    }


def definition_json(indicator: Indicator) -> dict[str, Any]:
    """How an indicator is defined."""
    target = indicator.target
    return {
        "id": indicator.id,
        "name": dict(indicator.name),
        "clause": list(indicator.clause),
        "kind": indicator.kind,
        "unit": indicator.unit,
        "decimals": indicator.decimals,
        "section": indicator.section,
        "secondary": indicator.secondary,
        "reader": indicator.reader.name,
        "formula": dict(indicator.formula),
        "numerator": _part(indicator.numerator),
        "denominator": _part(indicator.denominator),
        "dims": list(dims_of(indicator)),
        "definition_version": indicator.definition_version,
        "target": None
        if target is None
        else {
            "operator": target.operator,
            "value": number(target.value),
            "unit": target.unit,
            "by": target.by.isoformat(),
            "deadline_stated": target.deadline_stated,
            "commitment": target.commitment,
        },
        "baseline": _point(indicator.baseline),
        "milestones": [_point(point) for point in indicator.milestones],
        "measures": list(indicator.measures),
        "lead": list(indicator.lead),
        "responsible": list(indicator.responsible),
    }


def measures_json(plan: Plan, items: Iterable[Item]) -> list[dict[str, Any]]:
    """The measures with who does them and how their indicators stand."""
    verdicts = {item["id"]: item["verdict"] for item in items}
    return [_measure(plan, measure, verdicts) for measure in plan.measures]


def clauses(plan: Plan) -> frozenset[str]:
    """Every clause that has indicators: measures, and where the text sets a target."""
    return frozenset(clause for indicator in plan.indicators.values() for clause in indicator.clause) | {
        measure.clause for measure in plan.measures
    }


def under(plan: Plan, clause: str) -> list[str]:
    """The indicators of a clause, in the plan's order: those that it names, and those that its measure serves."""
    served = {name for measure in plan.measures if measure.clause == clause for name in measure.indicators}
    return [name for name, one in plan.indicators.items() if name in served or clause in (*one.measures, *one.clause)]


def codes_json(plan: Plan) -> dict[str, list[dict[str, str]]]:
    """Code lists of this service, zh and en."""
    return {
        "towns": [{"code": town.code, "zh": town.name["zh"], "en": town.name["en"]} for town in plan.towns],
        "clusters": _named(plan.clusters),
        "units": _named(plan.units),
        "indicators": [{"code": one.id, "zh": one.name["zh"], "en": one.name["en"]} for one in plan.indicators.values()],
        "states": [{"code": code, "zh": zh, "en": en} for code, (zh, en) in STATES.items()],
        "verdicts": [{"code": code, "zh": zh, "en": en} for code, (zh, en) in VERDICTS.items()],
    }


def number(value: Decimal) -> int | float:
    """A plan's figure as a JSON number."""
    return int(value) if value == value.to_integral_value() else float(value)


def _measure(plan: Plan, measure: Measure, verdicts: Mapping[str, str]) -> dict[str, Any]:
    names = under(plan, measure.clause)
    counted = Counter(verdicts[name] for name in names if name in verdicts)
    return {
        "clause": measure.clause,
        "title": dict(measure.title),
        "lead": _units(plan, measure.lead),
        "responsible": _units(plan, measure.responsible),
        "commitments": list(measure.commitments),
        "indicators": names,
        "verdicts": {verdict: counted[verdict] for verdict in VERDICTS if counted[verdict]},
    }


def _units(plan: Plan, codes: Iterable[str]) -> list[dict[str, Any]]:
    return [{"code": code, "name": dict(plan.units.get(code) or {"zh": code, "en": code})} for code in codes]


def _named(names: Mapping[str, Mapping[str, str]]) -> list[dict[str, str]]:
    return [{"code": code, "zh": name["zh"], "en": name["en"]} for code, name in names.items()]


def _part(part: Part | None) -> dict[str, Any] | None:
    if part is None:
        return None
    return {"each": part.each, "where": part.where, "when": part.when, "amount": part.amount, "place": part.place}


def _point(point: Point | None) -> dict[str, Any] | None:
    return None if point is None else {"on": _day(point.on), "value": number(point.value)}


def _day(on: date) -> str:
    return on.isoformat()
