"""The metrics API answers as its OpenAPI document says."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tests.integration.metrics.district import FIRM, Events
from tests.integration.metrics.web import Web
from tests.integration.openapi.calls import call_all, check_told, schema_of

NAMES = ("hnte_count", "rd_coverage", "graduates_introduced_cum", "rd_gdp_ratio")
BY = ("", "auditor", "viewer", "enterprise_agent")


def test_the_metrics_service_answers_as_its_document_says(web: Web, feed: Callable[..., int], events: Events) -> None:
    feed(
        events.enterprise(FIRM), events.certificate("GR202544000001", FIRM), events.above_scale("A1", FIRM), events.rd_unit("R1", FIRM),
        events.introduction("I1", "p_1"), events.statistic("S1", "rd_expenditure", "2025", "9.90"),
    )

    def send(case: Any) -> None:
        if case.operation.path_parameters and case.path_parameters:
            case.path_parameters["id"] = NAMES[len(str(case.query)) % len(NAMES)]
        by = BY[len(repr(case.query)) % len(BY)]
        case.call_and_validate(headers={"Authorization": f"Bearer {web.issuer.mint([by], subject='someone')}"} if by else {})

    call_all(schema_of(web.app, "metrics"), send)


def test_every_route_is_in_the_document_and_says_what_it_answers(web: Web) -> None:
    check_told(web.app, "metrics")
