"""Policy expressions: typed, integers only, bounded; what is wrong is refused with its place."""

from __future__ import annotations

from datetime import date, timedelta
from fractions import Fraction
from math import floor

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.incentives.eligibility.catalogue import FACTS
from services.incentives.eligibility.expressions import (
    TYPES,
    Failed,
    Missing,
    Wrong,
    compiled,
    days_between,
    months_between,
    share,
    years_between,
)

DAYS = st.dates(date(2000, 1, 1), date(2100, 12, 31))


@pytest.mark.parametrize(("text", "wanted", "line", "column", "reason"), [
    ("enterprise.hnte &&", "BOOL", 1, 19, "Syntax error"),
    ("enterprise.hnt", "BOOL", 1, 11, "undeclared reference"),
    ("enterprise.rd_units > 'a'", "BOOL", 1, 21, "no matching overload"),
    ("enterprise.rd_units", "BOOL", 1, 1, "gives INT, wanted is BOOL"),
    ("enterprise.rd_units * 1.5", "INT", 1, 23, "integers only"),
    ("true &&\n 2.5 > 1", "BOOL", 2, 2, "integers only"),
    ("enterprise.rd_units * 1e3", "INT", 1, 23, "integers only"),
    ("double(enterprise.rd_units) > 1", "BOOL", 1, 7, "undeclared reference"),
    ("on.matches('(a+)+')", "BOOL", 1, 11, "undeclared reference"),
    ("(" * 100 + "1" + ")" * 100, "INT", 1, 1, "recursion limit"),
    ("1" + " + 1" * 1000, "INT", 1, 1, "at most 2000 characters"),
    ("open('/etc/passwd')", "BOOL", 1, 5, "undeclared reference"),
    ("__import__", "BOOL", 1, 1, "undeclared reference"),
])
def test_what_is_wrong_is_refused_with_its_place(text: str, wanted: str, line: int, column: int, reason: str) -> None:
    with pytest.raises(Wrong, match=reason) as refused:
        compiled(text, wanted)
    assert (refused.value.line, refused.value.column) == (line, column)


def test_the_cost_is_bounded() -> None:
    ten = "[1,2,3,4,5,6,7,8,9,10]"
    text = "true"
    for name in "abcdefg":
        text = f"{ten}.all({name}, {text})"
    with pytest.raises((Wrong, Failed), match="budget"):
        compiled(text, "BOOL").value({})


def test_a_missing_fact_is_named_unless_it_cannot_matter() -> None:
    either = compiled("enterprise.hnte || enterprise.above_scale", "BOOL")
    assert either.names == ("enterprise.hnte", "enterprise.above_scale")
    assert either.value({"enterprise.above_scale": True}) is True
    with pytest.raises(Missing) as missing:
        either.value({"enterprise.above_scale": False})
    assert missing.value.names == ("enterprise.hnte",)


def test_a_name_within_a_text_is_no_fact() -> None:
    assert compiled("enterprise.town_code == 'enterprise.hnte'").names == ("enterprise.town_code",)


@pytest.mark.parametrize("text", ["1 / (enterprise.rd_units - 1)", "9223372036854775807 + enterprise.rd_units", "year_of('nonsense')"])
def test_what_has_no_result_fails_and_does_not_guess(text: str) -> None:
    with pytest.raises(Failed):
        compiled(text, "INT").value({"enterprise.rd_units": 1})


@pytest.mark.parametrize("name", sorted(FACTS))
def test_every_fact_of_the_catalogue_has_its_type(name: str) -> None:
    assert compiled(name).type == TYPES[FACTS[name].type].name()


@given(st.integers(0, 2**40), st.integers(0, 1000), st.integers(1, 1000))
def test_a_share_is_exact_and_rounded_half_up(amount: int, numerator: int, denominator: int) -> None:
    assert share(amount, numerator, denominator) == floor(Fraction(amount * numerator, denominator) + Fraction(1, 2))


@given(DAYS, DAYS)
def test_months_are_full_months(first: date, last: date) -> None:
    months = months_between(first.isoformat(), last.isoformat())
    assert months == -months_between(last.isoformat(), first.isoformat())
    assert years_between(first.isoformat(), last.isoformat()) == int(months / 12)
    assert abs(days_between(first.isoformat(), last.isoformat()) - months * 30.44) < 32 + abs(months) * 0.1
    if first <= last:
        assert first + timedelta(days=28 * months) <= last
