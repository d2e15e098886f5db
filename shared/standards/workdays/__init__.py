"""Chinese working days: weekdays without public holidays, plus the make-up days (调休) worked at weekends.

One CSV a year under this folder holds what the State Council announces (国务院办公厅关于部分节假日安排的通知): `day,kind`
with kind `off` or `work`. A year without its file is an error, never a guess.
"""

from __future__ import annotations

import csv
from datetime import date, datetime, timedelta
from functools import cache
from pathlib import Path

from shared.clock import SHANGHAI
from shared.errors import KechuangError

FOLDER = Path(__file__).parent
SATURDAY = 5


class CalendarMissing(KechuangError):
    """A year whose holidays nobody has entered yet; retriable, for the file may come."""

    code, status, retriable = "calendar_missing", 503, True


@cache
def _announced(year: int) -> dict[date, bool]:
    """Days that differ from the week's rule: whether one works. Raises CalendarMissing."""
    path = FOLDER / f"{year}.csv"
    if not path.exists():
        raise CalendarMissing(f"{year} 年放假安排尚未录入 the holiday calendar of {year} is not entered yet", retry_after_s=3600)
    with path.open(encoding="utf-8", newline="") as lines:
        return {date.fromisoformat(row["day"]): row["kind"] == "work" for row in csv.DictReader(lines)}


def is_workday(day: date) -> bool:
    """Whether one works on a day. Raises CalendarMissing."""
    return _announced(day.year).get(day, day.weekday() < SATURDAY)


def add_workdays(day: date, number: int) -> date:
    """The `number`-th working day after `day`, which itself is not counted; before it when `number` is negative.

    With 0, `day` itself, working day or not. Raises CalendarMissing.
    """
    step = timedelta(days=1 if number > 0 else -1)
    for _ in range(abs(number)):
        day += step
        while not is_workday(day):
            day += step
    return day


def workdays_between(start: date, end: date) -> int:
    """Working days after `start` up to and including `end`; negative when `end` is earlier. Raises CalendarMissing."""
    if end < start:
        return -workdays_between(end, start)
    return sum(is_workday(start + timedelta(days=n)) for n in range(1, (end - start).days + 1))


def end_of(day: date) -> datetime:
    """24:00 of a day in Shanghai, as the first instant of the next one."""
    return datetime.combine(day + timedelta(days=1), datetime.min.time(), SHANGHAI)
