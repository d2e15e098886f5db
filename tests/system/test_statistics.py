"""Published figures from the person who enters them to the indicator: two hands, provisional and final, revised without
losing what was said before (domain notes C.11, S7, G2, G6, G7)."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

import pytest

from tests.system.stack import Stack

START = "2026-06-30T08:00:00+08:00"
BASE = "/registry/v1/statistics"
DOC = itertools.count(1)


@pytest.fixture
def office(stack: Callable[..., Stack]) -> Stack:
    return stack(clock=START)


def figure(series: str, period: str, value: str, published_on: str, status: str = "final", **more: Any) -> dict[str, Any]:
    return {
        "series_code": series, "period": period, "scope_code": "441502", "value": value, "unit": "亿元", "status": status,
        "published_on": published_on, "doc_no": f"统计〔{next(DOC)}〕号", "source": "统计公报",
    } | more


def entered(office: Stack, *given: Any, by: str = "r1", **more: Any) -> Any:
    return office.post(BASE, figure(*given, **more), token=office.token("stat_reporter", subject=by))


def verified(office: Stack, record: Any, by: str = "v1", expect: int = 200) -> Any:
    token = office.token("stat_verifier", subject=by)
    return office.transition(f"{BASE}/{record['id']}", record["version"], "verify", token=token, expect=expect)


def share(office: Stack, **query: str) -> tuple[Any, str, Any]:
    """The R&D share of GDP: value, state and period."""
    office.settle()
    found = office.indicator("rd_gdp_ratio", **query)
    return found["value"], found["state"], found["data_period"]


def test_a_figure_is_provisional_until_another_person_has_verified_it(office: Stack) -> None:
    assert share(office) == (None, "no_data", None)
    gdp, spent = entered(office, "gdp", "2021", "300", "2022-11-01"), entered(office, "rd_expenditure", "2021", "4.50", "2022-11-01")
    assert (gdp["state"], spent["state"]) == ("recorded", "recorded")
    assert share(office) == (1.5, "provisional", "2021")
    both = office.token("stat_reporter", "stat_verifier", subject="r1")
    office.transition(f"{BASE}/{gdp['id']}", 1, "verify", token=both, expect=403)
    office.transition(f"{BASE}/{gdp['id']}", 1, "verify", token=office.token("stat_reporter", subject="r2"), expect=403)
    verified(office, gdp)
    assert share(office) == (1.5, "provisional", "2021")
    verified(office, spent)
    assert share(office) == (1.5, "ok", "2021")
    office.post(BASE, figure("gdp", "2021", "1", "2022-11-01"), token=office.token("bureau_reviewer"), expect=403)


def test_both_figures_are_of_the_same_year_and_an_absent_year_has_no_data(office: Stack) -> None:
    verified(office, entered(office, "gdp", "2022", "320", "2023-02-01"))
    assert share(office)[2] == "2021"
    assert share(office, period="2022")[:2] == (None, "no_data")
    verified(office, entered(office, "rd_expenditure", "2022", "5.60", "2023-11-01"))
    assert share(office) == (1.75, "ok", "2022")
    assert share(office, as_of="2023-06-30")[2] == "2021"
    assert share(office, period="2021") == (1.5, "ok", "2021")


def test_a_revision_by_a_new_document_counts_from_its_publication(office: Stack) -> None:
    verified(office, entered(office, "gdp", "2023", "400", "2024-02-01", "preliminary"))
    verified(office, entered(office, "rd_expenditure", "2023", "8", "2024-11-01"))
    assert share(office) == (2.0, "provisional", "2023")
    verified(office, entered(office, "gdp", "2023", "320", "2025-03-01", "census"))
    assert share(office) == (2.5, "ok", "2023")
    assert share(office, as_of="2025-02-28") == (2.0, "provisional", "2023")
    assert share(office, as_of="2025-03-01") == (2.5, "ok", "2023")


def test_a_figure_that_nobody_has_verified_does_not_displace_one_of_its_period(office: Stack) -> None:
    rumour = entered(office, "gdp", "2023", "100", "2025-06-01", "final")
    assert share(office) == (2.5, "ok", "2023")
    verified(office, rumour)
    assert share(office) == (8.0, "ok", "2023")
    office.transition(f"{BASE}/{rumour['id']}", 2, "revoke", reason="误报", effective_on="2025-06-01",
                      token=office.token("stat_verifier", subject="v2"))
    assert share(office) == (2.5, "ok", "2023")


def test_a_correction_waits_for_a_second_person_counts_from_the_first_day_and_what_was_said_stays(office: Stack) -> None:
    verified(office, entered(office, "gdp", "2024", "390", "2025-11-01"))
    spent = verified(office, entered(office, "rd_expenditure", "2024", "7.02", "2025-11-01"))
    assert share(office) == (1.8, "ok", "2024")
    path, said = f"{BASE}/{spent['id']}", spent["recorded_at"]
    reporter, verifier = office.token("stat_reporter", subject="r1"), office.token("stat_verifier", subject="v1")
    proposed = office.patch(path, {"value": "7.80", "reason": "录入错误"}, 2, token=reporter)
    assert (proposed["value"], proposed["proposed_change"]["patch"]) == ("7.02", {"value": "7.80"})
    assert share(office) == (1.8, "ok", "2024")
    office.transition(path, 3, "confirm_change", token=reporter, expect=403)
    office.transition(path, 3, "confirm_change", token=verifier)
    assert share(office) == (2.0, "ok", "2024")
    assert share(office, as_of="2025-12-31") == (2.0, "ok", "2024")
    assert share(office, known_at=said) == (1.8, "ok", "2024")
    history = office.get(f"{path}/history")["items"]
    assert [line["record"]["value"] for line in history] == ["7.02", "7.02", "7.02", "7.80"]
    assert history[-1]["diff"]["value"] == {"from": "7.02", "to": "7.80"}


@pytest.mark.parametrize(("fault", "pointer"), [
    ({"value": "1e3"}, "/value"), ({"value": "1.2345678901234"}, "/value"), ({"unit": "斤"}, "/unit"), ({"period": "2024-13"}, "/period"),
    ({"status": "guessed"}, "/status"), ({"series_code": "happiness"}, "/series_code"), ({"doc_no": None}, "/doc_no"),
    ({"published_on": "2025-02-29"}, "/published_on"), ({"unit": "人"}, "/unit"), ({"ci_low": "391"}, "/ci_low"),
    ({"sample_size": 0}, "/sample_size"),
])
def test_a_figure_that_cannot_be_one_is_refused(office: Stack, fault: dict[str, Any], pointer: str) -> None:
    body = figure("gdp", "2024", "390", "2025-11-01") | fault
    answer = office.post(BASE, body, token=office.token("stat_reporter", subject="r1"), expect=422)
    assert pointer in {error["pointer"] for error in answer["errors"]}


def test_the_same_figure_of_the_same_document_is_taken_once(office: Stack) -> None:
    body = figure("gdp", "2019", "250", "2020-11-01")
    office.post(BASE, body, token=office.token("stat_reporter", subject="r1"))
    office.post(BASE, body, token=office.token("stat_reporter", subject="r2"), expect=409)
