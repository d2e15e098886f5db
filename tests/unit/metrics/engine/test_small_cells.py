"""Small cells: who is hidden, and that nobody can be reckoned back from the total."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

import pytest

from services.metrics.engine.presentation import hidden_cells
from services.metrics.engine.reading import Reading
from tests.unit.metrics.plan.test_chengqu import PLAN

PERSONS = PLAN.indicators["graduates_introduced_cum"]
CREDIT = PLAN.indicators["tech_credit_line_growth"]


def cells(**numbers: int) -> dict[str, Reading]:
    return {key: Reading(Fraction(number), number, None, "ok") for key, number in numbers.items()}


@pytest.mark.parametrize(
    ("numbers", "hidden"),
    [
        ({"a": 0, "b": 3, "c": 9}, set()),
        ({"a": 2, "b": 3, "c": 9}, {"a", "b"}),  # the one small cell and the smallest beside it
        ({"a": 1, "b": 0, "c": 0}, {"a", "b"}),
        ({"a": 1, "b": 2, "c": 9}, {"a", "b"}),  # three persons in two cells: either may hold two
        ({"a": 1, "b": 1, "c": 9, "d": 0}, {"a", "b", "c"}),  # two persons in two cells would be one each
        ({"a": 2, "b": 2, "c": 0}, {"a", "b", "c"}),
        ({"a": 1, "b": 1, "c": 1, "d": 0}, {"a", "b", "c", "d"}),
    ],
)
def test_few_persons_are_hidden_with_what_would_give_them_away(numbers: dict[str, int], hidden: set[str]) -> None:
    assert hidden_cells(PERSONS, cells(**numbers), None) == hidden
    assert hidden_cells(replace(PERSONS, person=False), cells(**numbers), None) == set()


@pytest.mark.parametrize(
    ("units", "hidden"),
    [
        ({"a": (3, 3), "b": (5, 4)}, set()),
        ({"a": (2, 3), "b": (5, 4), "c": (9, 9)}, {"a", "b"}),
        ({"a": (9, 1), "b": (5, 4), "c": (9, 9)}, {"a", "b"}),  # the baseline of one firm
        ({"a": (0, 2), "b": (5, 1), "c": (9, 9)}, {"a", "b"}),
    ],
)
def test_a_value_of_few_firms_in_either_part_is_hidden(units: dict[str, tuple[int, int]], hidden: set[str]) -> None:
    assert hidden_cells(CREDIT, cells(**dict.fromkeys(units, 1)), units) == hidden
