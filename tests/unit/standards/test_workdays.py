"""Working days of the State Council's calendars, make-up days included."""

from __future__ import annotations

from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.standards.workdays import FOLDER, CalendarMissing, add_workdays, end_of, is_workday, workdays_between

DAYS = st.dates(date(2024, 2, 1), date(2026, 11, 30))
YEARS = sorted(int(path.stem) for path in FOLDER.glob("*.csv"))


@pytest.mark.parametrize(("year", "days"), [(2024, 251), (2025, 248), (2026, 248)])
def test_a_year_has_as_many_working_days_as_the_calendar_says(year: int, days: int) -> None:
    assert workdays_between(date(year, 1, 1), date(year, 12, 31)) + is_workday(date(year, 1, 1)) == days


def test_a_make_up_day_is_worked_and_a_holiday_is_not() -> None:
    assert is_workday(date(2026, 10, 10))  # Saturday
    assert is_workday(date(2026, 9, 20))  # Sunday
    assert not is_workday(date(2026, 10, 8 - 1))
    assert not is_workday(date(2026, 6, 20))


def test_the_day_of_posting_is_not_counted() -> None:
    assert add_workdays(date(2026, 9, 30), 5) == date(2026, 10, 13)  # over the National Day week: 8, 9, 10 (make-up), 12, 13
    assert str(end_of(date(2026, 10, 13))) == "2026-10-14 00:00:00+08:00"


@given(DAYS, st.integers(1, 15))
def test_counting_back_what_was_added_gives_the_same_number(day: date, number: int) -> None:
    last = add_workdays(day, number)
    assert workdays_between(day, last) == number
    assert is_workday(last)
    assert workdays_between(last, day) == -number


def test_a_year_nobody_entered_is_an_error_and_not_a_guess() -> None:
    for day in (date(YEARS[0], 1, 1) - timedelta(days=1), date(YEARS[-1], 12, 31) + timedelta(days=1)):
        with pytest.raises(CalendarMissing):
            is_workday(day)
    with pytest.raises(CalendarMissing):
        add_workdays(date(YEARS[-1], 12, 30), 5)


@pytest.mark.parametrize("year", YEARS)
def test_a_file_names_only_days_of_its_year_and_only_exceptions_for_make_up_days(year: int) -> None:
    lines = (FOLDER / f"{year}.csv").read_text(encoding="utf-8").splitlines()[1:]
    for line in lines:
        day, kind = line.split(",")
        assert date.fromisoformat(day).year == year
        assert kind == "off" or date.fromisoformat(day).weekday() >= 5
