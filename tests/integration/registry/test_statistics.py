"""A published figure: entered with its document by one person, verified by another, revised and corrected without losing a word.

What the indicators make of it is shown over a whole stack in tests/system/test_statistics.py.
"""

from __future__ import annotations

import time
from typing import Any

import pytest

from shared.records.imports import Imports
from shared.records.intake import work
from tests.integration.registry.conftest import BASE, NUMBERS, Registry

FIGURES = f"{BASE}/statistics"
REPORTER, VERIFIER = "stat_reporter:r", "stat_verifier:v"


def entered(registry: Registry, period: str, value: str, **more: Any) -> Any:
    body = registry.body("statistics", period=period, value=value, doc_no=f"统〔2026〕{next(NUMBERS)}号", source="统计公报") | more
    return registry.make(FIGURES, body, by=REPORTER)


def test_a_figure_names_its_document_and_period(registry: Registry) -> None:
    body = registry.body("statistics")
    for name in ("doc_no", "period", "published_on", "status", "unit"):
        answer = registry.call("POST", FIGURES, {key: value for key, value in body.items() if key != name}, by=REPORTER)
        assert (answer.status_code, [error["pointer"] for error in answer.json["errors"]]) == (422, [f"/{name}"])


def test_what_was_said_stays_when_it_is_corrected_and_when_it_is_revised(registry: Registry) -> None:
    first = entered(registry, "2023", "390.00", status="preliminary", published_on="2024-02-01")
    path = f"{FIGURES}/{first['id']}"
    assert first["state"] == "recorded"
    registry.act(path, 1, "verify", by=VERIFIER)
    proposed = registry.call("PATCH", path, {"value": "391.00", "reason": "录入有误"}, by=REPORTER, version=2).json
    assert (proposed["value"], proposed["proposed_change"]["patch"]) == ("390.00", {"value": "391.00"})
    registry.act(path, 3, "confirm_change", by="stat_verifier+stat_reporter:r", expect=403)
    registry.act(path, 3, "confirm_change", by="bureau_reviewer:b", expect=403)
    assert registry.act(path, 3, "confirm_change", by=VERIFIER)["value"] == "391.00"
    final = entered(registry, "2023", "395.50", status="final", published_on="2024-11-01")
    registry.act(f"{FIGURES}/{final['id']}", 1, "verify", by=VERIFIER)
    said = [line["record"]["value"] for line in registry.call("GET", f"{path}/history", by="auditor").json["items"]]
    assert said == ["390.00", "390.00", "390.00", "391.00"]
    both = registry.call("GET", f"{FIGURES}?period=2023", by="auditor").json["items"]
    assert {(each["value"], each["status"]) for each in both} == {("391.00", "preliminary"), ("395.50", "final")}


@pytest.mark.parametrize(("by", "state"), [(REPORTER, "recorded"), ("data_feed", "verified")])
def test_an_imported_figure_waits_for_its_verifier_unless_a_trusted_feed_brings_it(registry: Registry, by: str, state: str) -> None:
    doc_no = f"统〔2026〕{next(NUMBERS)}号"
    rows = f"series_code,period,scope_code,value,unit,status,published_on,doc_no\ngdp,2022,441502,380.10,亿元,final,2023-11-01,{doc_no}\n"
    job_id = registry.call("POST", f"{FIGURES}/import", by=by, data=rows.encode(), content_type="text/csv").json["id"]
    imports = Imports(registry.records)
    job = imports.take("worker", time.time())
    assert job is not None
    work.run(imports, job, "worker", time.time)
    assert registry.call("GET", f"{FIGURES}/imports/{job_id}", by=by).json["created"] == 1
    figure = registry.call("GET", f"{FIGURES}?doc_no={doc_no}", by="auditor").json["items"][0]
    assert (figure["state"], figure["value"]) == (state, "380.10")
    if state == "recorded":
        path = f"{FIGURES}/{figure['id']}"
        registry.act(path, 1, "verify", by="stat_reporter+stat_verifier:r", expect=403)
        assert registry.act(path, 1, "verify", by=VERIFIER)["state"] == "verified"
