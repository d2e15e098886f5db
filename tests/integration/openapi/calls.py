"""Calls made from an OpenAPI document by schemathesis, with all of its checks."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable
from typing import Any

import schemathesis
from flask import Flask
from hypothesis import HealthCheck, Phase, given, seed, settings
from schemathesis import GenerationMode
from schemathesis.core.failures import FailureGroup

from shared.web.openapi import BYTES, JSON

EXAMPLES = int(os.environ.get("EXAMPLES", "3"))  # of each operation, allowed and not; `make openapi EXAMPLES=100` for a long run
BOUND = settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=list(HealthCheck), database=None, phases=[Phase.generate])
SEED = int(os.environ.get("SEED", "20260630"))
APART = re.compile(r"/-/|/openapi\.json$|/docs$")  # for operators, and the document itself
NAMED = re.compile(r"[<{][^>}]*[>}]")
ENDLESS = ("/metrics/v1/stream",)  # its answer ends with its client
# What a schema cannot say (check digits, the order of two days, another record's state) is told by 409, 412 or 422; 415
# answers a part of a form whose type no name tells.
ANSWERS = ["2xx", "401", "403", "404", "409", "412", "415", "422", "428", "429"]
CONFIG = {
    "seed": SEED,
    "checks": {
        "positive_data_acceptance": {"expected-statuses": ANSWERS},
        "negative_data_rejection": {"expected-statuses": ["4xx"]},
        "missing_required_header": {"expected-statuses": ["401", "403", "404", "422", "428"]},
    },
    "generation": {"with-security-parameters": False},
}


def schema_of(app: Flask, service: str) -> Any:
    """The document of a service, as it serves it."""
    return schemathesis.openapi.from_wsgi(f"/{service}/v1/openapi.json", app, config=schemathesis.Config.from_dict(CONFIG))


def call_all(schema: Any, send: Callable[[Any], None]) -> None:
    """Call every operation, and tell of all that fail."""
    wrong: list[BaseException] = []
    for operation in (found.ok() for found in schema.get_all_operations()):
        for mode in modes_of(operation):
            @seed(SEED)
            @BOUND
            @given(operation.as_strategy(mode))
            def called(case: Any) -> None:
                send(case)

            try:
                called()
            except (Exception, FailureGroup) as failed:
                failed.add_note(f"{operation.label}, {mode}")
                wrong.append(failed)
    if wrong:
        raise BaseExceptionGroup("operations that answer otherwise than they say", wrong)


def modes_of(operation: Any) -> Iterable[GenerationMode]:
    """What is allowed; and what is not, where there is anything to be wrong: any text may be an id, any bytes a file."""
    if operation.path in ENDLESS:
        return ()
    takes_files = any(body.definition["schema"] == BYTES for body in operation.body)
    checked = not takes_files and any((list(operation.body), list(operation.query), list(operation.headers)))
    return GenerationMode if checked else [GenerationMode.POSITIVE]


def check_told(app: Flask, service: str) -> None:
    """Every route is in the document with a schema for each of its answers, and nothing else is."""
    paths = app.test_client().get(f"/{service}/v1/openapi.json").json["paths"]
    told = {(NAMED.sub("{}", path), method.upper()) for path, methods in paths.items() for method in methods}
    rules = [rule for rule in app.url_map.iter_rules() if not APART.search(rule.rule)]
    there = {(NAMED.sub("{}", rule.rule), method) for rule in rules for method in (rule.methods or set()) - {"HEAD", "OPTIONS"}}
    assert there == told
    silent = [
        f"{method} {path} {code}" for path, methods in paths.items() for method, operation in methods.items()
        for code, answer in operation["responses"].items() for media, content in answer["content"].items()
        if not content["schema"] or (media == JSON and content["schema"] == BYTES)
    ]
    assert silent == []
