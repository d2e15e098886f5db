"""An indicator over time: one point a day, week or month, read from the same step functions as the present."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, timedelta
from typing import Any

from services.metrics.web.board import Board, Edition
from services.metrics.web.parameters import Moment, Parameters

STEPS = ("day", "week", "month")
MOST_POINTS = 1_200
KEPT = ("value", "numerator", "denominator", "state", "expected_to_date", "data_period")


def span(parameters: Parameters, first: date, last: date) -> tuple[date, date, str]:
    """`from`, `to` and `step` of a request; faults are noted."""
    begin, end = parameters.day("from", first), parameters.day("to", last)
    step = parameters.choice("step", STEPS) or "month"
    if begin > end:
        parameters.refuse("from", "out_of_order", "`from` lies after `to`")
    elif sum(1 for _ in days(begin, end, step)) > MOST_POINTS:
        parameters.refuse("step", "too_many", f"at most {MOST_POINTS} points; take a longer step or a shorter span")
    return begin, end, step


def days(begin: date, end: date, step: str) -> Iterator[date]:
    """`begin`, then every day, every seventh day or every first of a month, and `end`."""
    on = begin
    while on < end:
        yield on
        if step == "month":
            on = date(on.year + on.month // 12, on.month % 12 + 1, 1)
        else:
            on += timedelta(days=1 if step == "day" else 7)
    yield end


def points(board: Board, edition: Edition, name: str, begin: date, end: date, step: str, known: Moment) -> list[dict[str, Any]]:
    """The values on those days."""
    readings = board.readings(edition)
    source = readings.sources([name], known.at_ms)[name]
    found = []
    for on in days(begin, end, step):
        item = readings.item(name, source, on)
        found.append({"as_of": on.isoformat(), **{key: item[key] for key in KEPT}})
    return found
