"""A record that names several subjects has a copy in each one's dossier; it counts, and is listed, in one of them."""

from __future__ import annotations

from datetime import date
from typing import Any

import pytest

from services.metrics.engine.explain import explain
from services.metrics.engine.subject import Subject
from tests.unit.metrics.plan.test_chengqu import DONGCHONG, FIRM, HONGCAO, PLAN, RULES, firm, level, platform, spell

OTHER = "91441502MAQQQQ027N"
Listed = list[tuple[str, str, bool, str | None]]


def introduction(person: str, town: str, hired_on: str, state: str = "registered", **more: Any) -> dict[str, Any]:
    return {
        "state": state, "person_key": person, "employer_uscc": FIRM, "town_code": town, "degree_level": "bachelor",
        "hired_on": hired_on, "intro_mode": "social", **more,
    }  # fmt: skip


def listed(indicator: str, day: str, *dossiers: tuple[str, dict[tuple[str, str], dict[str, Any]]]) -> Listed:
    """(subject, record, counted, reason) of every dossier's lines."""
    found: Listed = []
    for key, images in dossiers:
        subject = Subject(key, {name: (1, data) for name, data in images.items()})
        lines = explain(PLAN, RULES, PLAN.indicators[indicator], subject, date.fromisoformat(day).toordinal())
        found += [(line.subject, line.records[0][1], line.counted, line.reason) for line in lines]
    return sorted(found)


@pytest.mark.parametrize("state", ["registered", "invalidated"])
def test_after_an_unmerge_each_introduction_counts_for_its_own_person(state: str) -> None:
    kept = introduction("p_a", HONGCAO, "2025-03-01", state)
    parted = introduction("p_b", DONGCHONG, "2025-01-01", merged_before="p_a")  # earlier: would be taken for the first of both
    a = ("p_a", {("introductions", "a"): kept, ("introductions", "b"): parted})
    b = ("p_b", {("introductions", "b"): parted})
    mine = ("p_a", "a", True, None) if state == "registered" else ("p_a", "a", False, "invalidated")
    assert listed("graduates_introduced_cum", "2026-06-30", a, b) == [mine, ("p_b", "b", True, None)]


def test_a_merged_introduction_is_listed_once() -> None:
    kept, gone = introduction("p_a", HONGCAO, "2025-03-01"), introduction("p_b", DONGCHONG, "2025-01-01", "merged")
    a = ("p_a", {("introductions", "a"): kept, ("introductions", "b"): gone})
    found = listed("graduates_introduced_cum", "2026-06-30", a, ("p_b", {("introductions", "b"): gone}))
    assert found == [("p_a", "a", True, None), ("p_b", "b", False, "duplicate_person")]


@pytest.mark.parametrize("day", ["2026-02-28", "2026-03-01"])
def test_a_transferred_platform_is_listed_under_its_host_of_the_day(day: str) -> None:
    moved = platform(
        "incubator", level("municipal", "2024-01-01"), host_uscc=OTHER,
        hosts=[spell("2024-01-01", "2026-03-01", FIRM), spell("2026-03-01", None, OTHER)],
    )  # fmt: skip
    closed = firm(state="deregistered", alive=[spell("2020-01-01", "2026-03-01", True)])
    old = (FIRM, {("enterprises", FIRM): closed, ("platforms", "p"): moved})
    new = (OTHER, {("enterprises", OTHER): firm(), ("platforms", "p"): moved})
    assert listed("incubator_count", day, old, new) == [("p", "p", True, None)]
    assert listed("incubator_count", "2023-12-31", old, new) == [("p", "p", False, "not_yet_valid")]


def test_a_fact_corrected_to_another_firm_counts_there_only() -> None:
    corrected = {"state": "verified", "uscc": OTHER, "issued_on": "2025-06-01"}
    dossiers = [(key, {("enterprises", key): firm(), ("hnte-certificates", "c"): corrected}) for key in (FIRM, OTHER)]
    assert listed("hnte_count", "2026-06-30", *dossiers) == [(OTHER, "c", True, None)]
    images = {name: (2, data) for name, data in dossiers[0][1].items()}
    assert RULES.rows(Subject(FIRM, images), frozenset({"hnte_count"})) == []
