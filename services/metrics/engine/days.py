"""Sets of days: sorted, disjoint, half-open intervals of day ordinals (`date.toordinal()`), local dates.

A set is a tuple of (start, end) pairs, start < end. FOREVER stands for "no end".
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable
from datetime import date

Days = tuple[tuple[int, int], ...]

NEVER: Days = ()
FOREVER = date.max.toordinal()
DAWN = 1  # 0001-01-01: before any record
ALWAYS: Days = ((DAWN, FOREVER),)


def ordinal(text: str) -> int:
    """The ordinal of a YYYY-MM-DD day, or of the first day of a YYYY-MM month."""
    return date.fromisoformat(text if len(text) > 7 else f"{text}-01").toordinal()


def interval(start: int | None, end: int | None) -> Days:
    """[start, end); no start means the set is empty, no end means for ever."""
    if start is None:
        return NEVER
    stop = FOREVER if end is None else end
    return ((start, stop),) if start < stop else NEVER


def union(*sets: Days) -> Days:
    """Days in at least one of the sets."""
    if len(sets) == 1:
        return sets[0]
    return normal(pair for days in sets for pair in days)


def normal(pairs: Iterable[tuple[int, int]]) -> Days:
    """Any intervals as a set: sorted, touching ones joined."""
    merged: list[tuple[int, int]] = []
    for start, end in sorted(pairs):
        if start >= end:
            continue
        if merged and start <= merged[-1][1]:
            if end > merged[-1][1]:
                merged[-1] = (merged[-1][0], end)
        else:
            merged.append((start, end))
    return tuple(merged)


def intersection(left: Days, right: Days) -> Days:
    """Days in both sets."""
    if not left or not right:
        return NEVER
    found: list[tuple[int, int]] = []
    i = j = 0
    while i < len(left) and j < len(right):
        start, end = max(left[i][0], right[j][0]), min(left[i][1], right[j][1])
        if start < end:
            found.append((start, end))
        if left[i][1] < right[j][1]:
            i += 1
        else:
            j += 1
    return tuple(found)


def complement(days: Days) -> Days:
    """All days that are not in the set."""
    found: list[tuple[int, int]] = []
    last = DAWN
    for start, end in days:
        if last < start:
            found.append((last, start))
        last = end
    if last < FOREVER:
        found.append((last, FOREVER))
    return tuple(found)


def difference(left: Days, right: Days) -> Days:
    """Days of `left` that are not in `right`."""
    if not left or not right:
        return left
    return intersection(left, complement(right))


def contains(days: Days, day: int) -> bool:
    """Whether `day` is in the set."""
    at = bisect_right(days, (day, FOREVER + 1)) - 1
    return at >= 0 and days[at][0] <= day < days[at][1]


def year_end(day: int) -> int:
    """The first day of the year after the one that `day` lies in."""
    return date(date.fromordinal(day).year + 1, 1, 1).toordinal()


def years_later(day: int, years: int) -> int:
    """The same calendar day `years` later; 29 February becomes 1 March in a common year."""
    begun = date.fromordinal(day)
    try:
        return begun.replace(year=begun.year + years).toordinal()
    except ValueError:
        return date(begun.year + years, 3, 1).toordinal()
