"""Published statistics as step functions: which figure of each period is in force on which day.

A figure counts from its publication; a later one of the same period replaces it, a recorded (unverified) one never
displaces a verified one. Values become whole base units: fen, 人, 家, millionths of a percent.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal

from services.metrics.engine import days as d
from services.metrics.engine.subject import Subject
from services.metrics.engine.views import View
from services.metrics.plan.model import Plan

BASE_UNITS = {"元": 100, "万元": 10**6, "亿元": 10**10, "人": 1, "万人": 10**4, "家": 1, "位": 1, "%": 10**6}
PROVISIONAL = frozenset({"preliminary", "flash"})
SeriesRow = tuple[str, tuple[tuple[str, str], ...], int, int, int, str]


@dataclass(frozen=True)
class SeriesRule:
    """One indicator's use of one series."""

    indicator: str
    part: str
    series: str

    def rows(self, subject: Subject) -> Iterator[SeriesRow]:
        """(part, cell, start, end, amount, record) of every period's figure in force."""
        if subject.key != self.series:
            return
        periods: dict[tuple[str, str], list[View]] = {}
        for view in subject.of("statistics"):
            if view.data.get("state") in ("recorded", "verified", "revoked"):
                periods.setdefault((str(view.data["period"]), str(view.data["scope_code"])), []).append(view)
        for (period, scope), views in periods.items():
            for start, end, view in in_force(views):
                cell = (("period", period), ("scope", scope), ("status", "p" if provisional(view) else "f"))
                yield (self.part, (("is", "value"), *cell), start, end, base_value(view), view.name)
                yield (self.part, (("is", "published"), *cell), start, end, 1, view.name)  # a published 0 is not "no data"


def published(view: View) -> d.Days:
    """Days on which a figure stands: from publication until it is revoked."""
    return d.intersection(d.difference(d.interval(view.start, None), view.revoked), view.held)


def in_force(views: list[View]) -> Iterator[tuple[int, int, View]]:
    """Of the figures of one period, the one that holds on each stretch of days."""
    standing = [(published(view), view) for view in views]
    edges = sorted({edge for days, _ in standing for span in days for edge in span})
    for low, high in itertools.pairwise(edges):
        held = [view for days, view in standing if d.contains(days, low)]
        if held:
            yield low, high, max(held, key=lambda view: (view.data["state"] != "recorded", view.start or 0, view.id))


def provisional(view: View) -> bool:
    """Recorded only, or published as a first or flash figure."""
    return view.data["state"] == "recorded" or view.data.get("status") in PROVISIONAL


def base_value(view: View) -> int:
    """The value in base units, exact. Raises ValueError when the unit cannot carry its decimals."""
    exact = Decimal(str(view.data["value"])) * BASE_UNITS[view.data["unit"]]
    if exact != exact.to_integral_value():
        raise ValueError(f"{view.name}: {view.data['value']} {view.data['unit']} is no whole number of base units")
    return int(exact)


def series_rules(plan: Plan) -> list[SeriesRule]:
    """Which series feed which indicator."""
    found: list[SeriesRule] = []
    for indicator in plan.indicators.values():
        reader = indicator.reader
        named = {
            "latest_period": (("n", reader.numerator), ("d", reader.denominator)),
            "period_growth": (("n", reader.series),),
            "per": (("d", reader.series),),
        }.get(reader.name, ())
        found += [SeriesRule(indicator.id, part, series) for part, series in named if series]
    return found
