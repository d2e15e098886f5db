"""Published figures: which one a reading rests on, and how the reading opens to it."""

from __future__ import annotations

from datetime import date
from typing import Any

from services.metrics.engine.explain import explain
from services.metrics.engine.reading import Reading, breakdown, read
from services.metrics.engine.subject import Subject
from services.metrics.engine.timeline import totals_of
from tests.unit.metrics.plan.test_chengqu import FIRM, PLAN, RULES, firm, level, platform

DISTRICT, CITY = "441502", "441500"
ON = date(2026, 6, 30)
Figure = tuple[str, str, str, str, str]  # series, period, scope, value, unit


def subjects(*given: Figure, **more: Any) -> list[Subject]:
    found: dict[str, dict[tuple[str, str], tuple[int, dict[str, Any]]]] = {}
    for series, period, scope, value, unit in given:
        name = ("statistics", f"{period}@{scope}")
        data = {
            "series_code": series, "period": period, "scope_code": scope, "value": value, "unit": unit, "state": "verified",
            "status": "final", "published_on": "2026-01-15", **more,
        }  # fmt: skip
        found.setdefault(series, {})[name] = (1, data)
    return [Subject(key, images) for key, images in found.items()]


def reading(indicator: str, known: list[Subject], period: str | None = None) -> Reading:
    rows = [row for subject in known for row in RULES.rows(subject, frozenset({indicator}))]
    return read(PLAN, PLAN.indicators[indicator], totals_of(rows, ON.toordinal()), period)


def opened(indicator: str, known: list[Subject]) -> list[tuple[str, str, bool, int, str | None]]:
    """(part, record, counted, amount, reason) of every figure."""
    rests_on = reading(indicator, known).rests_on
    lines = [
        line for one in known for line in explain(PLAN, RULES, PLAN.indicators[indicator], one, ON.toordinal(), rests_on)
    ]  # fmt: skip
    return sorted((line.part, line.records[0][1], line.counted, line.amount, line.reason) for line in lines)


def test_a_share_opens_to_the_two_figures_of_its_period_and_the_others_are_left_out() -> None:
    known = subjects(
        ("rd_expenditure", "2024", DISTRICT, "7", "亿元"), ("rd_expenditure", "2025", DISTRICT, "8", "亿元"),
        ("rd_expenditure", "2024", CITY, "40", "亿元"), ("gdp", "2024", DISTRICT, "350", "亿元"),
    )  # fmt: skip
    assert opened("rd_gdp_ratio", known) == [
        ("d", "2024@441502", True, 350 * 10**10, None),
        ("n", "2024@441500", False, 0, "out_of_scope"),
        ("n", "2024@441502", True, 7 * 10**10, None),
        ("n", "2025@441502", False, 0, "outside_window"),
    ]


def test_growth_opens_to_both_years() -> None:
    known = subjects(*(("rd_expenditure", year, DISTRICT, value, "亿元") for year, value in (("2023", "6"), ("2024", "7.5"))))
    assert reading("whole_society_rd_growth", known).value == 25
    assert opened("whole_society_rd_growth", known) == [
        ("d", "2023@441502", True, 6 * 10**10, None),
        ("n", "2024@441502", True, 75 * 10**9, None),
    ]


def test_a_figure_that_does_not_hold_says_why() -> None:
    gdp = ("gdp", "2024", DISTRICT, "350", "亿元")
    for more, reason in (
        ({"published_on": "2026-07-01"}, "not_yet_valid"),
        ({"revoked": [{"from": "2026-02-01", "to": None}]}, "revoked"),
    ):
        assert opened("rd_gdp_ratio", subjects(gdp, **more)) == [("d", "2024@441502", False, 0, reason)]


def test_the_citys_figure_stands_in_for_a_period_that_the_district_lacks() -> None:
    known = subjects(
        ("science_literacy_rate", "2025", CITY, "14.2", "%"), ("science_literacy_rate", "2024", DISTRICT, "13", "%")
    )
    latest = reading("sci_literacy_rate", known)
    assert (latest.value, latest.data_period, latest.proxy) == (13, "2024", False)
    asked = reading("sci_literacy_rate", known, "2025")
    assert (float(asked.value or 0), asked.data_period, asked.proxy) == (14.2, "2025", True)


def test_parts_of_different_populations_are_never_divided() -> None:
    mixed = subjects(("rd_expenditure", "2024", DISTRICT, "7", "亿元"), ("gdp", "2024", CITY, "1400", "亿元"))
    assert reading("rd_gdp_ratio", mixed).state == "no_data"
    city = subjects(("rd_expenditure", "2024", CITY, "28", "亿元"), ("gdp", "2024", CITY, "1400", "亿元"))
    assert (reading("rd_gdp_ratio", city).value, reading("rd_gdp_ratio", city).proxy) == (2, True)
    residents = subjects(("resident_population", "2024", CITY, "270", "万人"))
    assert reading("patents_per_10k", residents).state == "no_data"


def test_the_groups_of_a_coverage_add_up_to_it() -> None:
    images: dict[tuple[str, str], tuple[int, dict[str, Any]]] = {("enterprises", FIRM): (1, firm())}
    for number, cluster in enumerate(("electronics", "electronics", "marine", None)):
        given = platform("key_laboratory", level("municipal", "2024-01-01"), cluster_code=cluster)
        images["platforms", f"p{number}"] = (1, given)
    rows = RULES.rows(Subject(FIRM, images), frozenset({"leading_industry_platform_coverage"}))
    totals = totals_of(rows, ON.toordinal())
    indicator = PLAN.indicators["leading_industry_platform_coverage"]
    whole, parts = read(PLAN, indicator, totals), breakdown(PLAN, indicator, totals, "cluster")
    assert (whole.value, whole.numerator, whole.denominator) == (40, 2, 5)
    assert {key: (part.value, part.numerator, part.denominator) for key, part in parts.items()} == {
        "electronics": (100, 1, 1), "marine": (100, 1, 1), "agriculture": (0, 0, 1), "food": (0, 0, 1), "textile": (0, 0, 1),
    }  # fmt: skip
