"""An application's ledger as rows: each dated amount from its day on, in its own policy, town and month."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from fractions import Fraction
from typing import Any

from services.metrics.engine.reading import breakdown, read
from services.metrics.engine.rules import compile_plan
from services.metrics.engine.subject import Subject
from services.metrics.engine.timeline import totals_of
from tests.unit.metrics.engine.small_plan import small_plan

PLAN = small_plan()
RULES = compile_plan(PLAN)
TOWN = PLAN.towns[0].code


def entry(name: str, on: str, amount_fen: int = 0, **more: int) -> dict[str, Any]:
    return {"entry": name, "on": on, "amount_fen": amount_fen, **more}


def totals(indicator: str, on: str, *files: list[dict[str, Any]]) -> Any:
    day, found = date.fromisoformat(on), {}
    rows = []
    for n, entries in enumerate(files):
        data = {"state": "paid", "policy_code": "settlement", "town_code": TOWN, "entries": entries}
        rows += RULES.rows(Subject(f"person-{n}", {("applications", f"a{n}"): (1, data)}), frozenset({indicator}))
    found = totals_of(rows, day.toordinal())
    return PLAN.indicators[indicator], found


def value(indicator: str, on: str, *files: list[dict[str, Any]]) -> Fraction | None:
    definition, found = totals(indicator, on, *files)
    return read(PLAN, definition, found).value


def test_an_amount_counts_from_its_day_and_two_of_one_day_both_count() -> None:
    file = [entry("paid", "2026-03-01", 1_000_000), entry("paid", "2026-03-01", 1_000_000), entry("recovered", "2026-04-01", 9)]
    assert [value("paid", on, file) for on in ("2026-02-28", "2026-03-01", "2027-01-01")] == [0, 20_000, 20_000]
    definition, found = totals("paid", "2026-06-01", file, [entry("paid", "2026-05-02", 100)])
    months = breakdown(PLAN, definition, found, "month")
    assert {month: reading.value for month, reading in months.items()} == {"2026-03": 20_000, "2026-05": 1}


def test_the_median_is_the_smallest_number_that_half_of_the_files_reach() -> None:
    files = [[entry("decided", "2026-03-01", days=days)] for days in (2, 3, 3, 10)]
    assert value("days", "2026-03-01", *files) == 3
    assert value("days", "2026-03-01", *files[:2]) == 2
    assert value("days", "2026-03-01", *files[2:]) == 3
    assert value("days", "2026-02-28", *files) is None
    assert PLAN.indicators["days"].reader.share == Decimal("0.5")
