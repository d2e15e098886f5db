"""Opening a number: the units that it counts and the records that it does not, each with its reason."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from typing import Any

from services.metrics.definitions import Definitions
from services.metrics.engine.explain import Item, explain
from services.metrics.engine.reading import read
from services.metrics.engine.series import SeriesRule
from services.metrics.plan.model import Indicator
from services.metrics.readings import Readings
from services.metrics.store.collections import Store
from services.metrics.store.dossiers import DossierStore

PARTS = {"numerator": "n", "denominator": "d"}


@dataclass(frozen=True)
class Opening:
    """Which number, which part of it, as of when, as known when."""

    indicator: str
    on: date
    known_at_ms: int | None
    part: str | None
    counted: bool | None


def rows(store: Store, generation: int, definitions: Definitions, opening: Opening) -> list[dict[str, Any]]:
    """Every row of a drill-down, counted ones first, then by subject."""
    indicator = definitions.plan.indicators[opening.indicator]
    part = PARTS[opening.part or "numerator"] if opening.part or not _is_statistic(indicator) else None
    items = [
        item
        for item in _explained(store, generation, definitions, indicator, opening)
        if (part is None or item.part == part) and (opening.counted is None or item.counted == opening.counted)
    ]
    items.sort(key=lambda item: (not item.counted, item.subject, item.part, item.records))
    return [_row(item) for item in items]


def _explained(
    store: Store, generation: int, definitions: Definitions, indicator: Indicator, opening: Opening
) -> Iterator[Item]:
    plan, rules, day = definitions.plan, definitions.rules, opening.on.toordinal()
    totals = Readings(store, generation, definitions).sources([indicator.id], opening.known_at_ms)[indicator.id](opening.on)
    rests_on = read(plan, indicator, totals).rests_on
    for dossier in DossierStore(store, generation).with_kinds(sorted(kinds_of(definitions, indicator))):
        yield from explain(plan, rules, indicator, dossier.subject(opening.known_at_ms), day, rests_on)


def kinds_of(definitions: Definitions, indicator: Indicator) -> frozenset[str]:
    """Record kinds that can add to an indicator."""
    found = {kind for rule in definitions.rules.of(indicator.id) for kind in rule.kinds}
    if any(_feeds(rule, indicator) for rule in definitions.rules.series):
        found.add("statistics")
    return frozenset(found)


def _feeds(rule: SeriesRule, indicator: Indicator) -> bool:
    return rule.indicator == indicator.id


def _is_statistic(indicator: Indicator) -> bool:
    return indicator.reader.name in ("latest_period", "period_growth")


def _row(item: Item) -> dict[str, Any]:
    return {
        "subject": item.subject,
        "part": "numerator" if item.part == "n" else "denominator",
        "counted": item.counted,
        "amount": item.amount,
        "cell": item.cell,
        "records": [{"kind": kind, "id": record_id, "version": version} for kind, record_id, version in item.records],
        "reason": item.reason,
    }
