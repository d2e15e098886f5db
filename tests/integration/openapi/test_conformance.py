"""Every operation of the OpenAPI documents, called with what they allow and with what they do not; and all routes are in them."""

from __future__ import annotations

import pytest

from tests.integration.openapi.calls import call_all, check_told, schema_of
from tests.integration.openapi.conftest import Caller

SERVICES = pytest.mark.parametrize("service", ["registry", "incentives"])


@SERVICES
def test_a_service_answers_as_its_document_says(service: str, caller: Caller) -> None:
    call_all(schema_of(caller.app(service), service), caller.send)


@SERVICES
def test_every_route_is_in_the_document_and_says_what_it_answers(service: str, caller: Caller) -> None:
    check_told(caller.app(service), service)
