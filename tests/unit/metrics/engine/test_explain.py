"""Opening a number: which record is the one that counts, and why each other does not."""

from __future__ import annotations

from datetime import date

import pytest

from services.metrics.engine.explain import explain
from services.metrics.engine.subject import Subject
from tests.unit.metrics.plan.test_chengqu import FIRM, PLAN, RULES, fact, firm, spell, value


def test_of_several_projects_the_first_inside_the_window_counts() -> None:
    days = {"before": "2023-05-01", "first": "2026-02-01", "second": "2026-03-01"}
    projects = {("industrial-internet-projects", name): (1, fact(accepted_on=day)) for name, day in days.items()}
    subject = Subject(FIRM, {("enterprises", FIRM): (1, firm()), **projects})
    lines = explain(PLAN, RULES, PLAN.indicators["industrial_internet_cum"], subject, date(2026, 6, 30).toordinal())
    assert sorted((line.records[0][1], line.counted, line.reason) for line in lines) == [
        ("before", False, "outside_window"),
        ("first", True, None),
        ("second", False, "duplicate"),
    ]


@pytest.mark.parametrize(("day", "cluster", "zone"), [("2026-03-31", "", ""), ("2026-04-01", "marine", "inside")])
def test_a_firm_is_in_no_cluster_or_zone_before_it_joins_one(day: str, cluster: str, zone: str) -> None:
    joined = firm(clusters=[spell("2026-04-01", None, ["marine"])], in_hitech_zone_spells=[spell("2026-04-01", None, True)])
    subject = Subject(FIRM, {("enterprises", FIRM): (1, joined), ("hnte-certificates", "c"): (1, fact(issued_on="2025-06-01"))})
    on = date.fromisoformat(day).toordinal()
    cells = [dict(row.cell) for row in RULES.rows(subject, frozenset({"hnte_count"})) if row.start <= on < row.end]
    assert [(cell["cluster"], cell["hitech_zone"]) for cell in cells] == [(cluster, zone)]
    assert value("hnte_count", day, ("enterprises", joined), ("hnte-certificates", fact(issued_on="2025-06-01"))) == 1
