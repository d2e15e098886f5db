"""Both record services with a record of every kind, and callers of every role, for calls made from the OpenAPI documents."""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import mongoengine
import pytest
import schemathesis
from flask import Flask
from hypothesis import strategies as st
from schemathesis.core.parameters import ParameterLocation

from shared.auth.roles import Role
from shared.records.attachments import FORMATS
from tests.integration.records.conftest import Office
from tests.integration.records.test_kinds import ALL, bodies, patent_no
from tests.system.made import HONGCAO, uscc

FIRMS = range(6000, 6040)
XLSX = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
EVERY_ROLE = "+".join(sorted(set(Role) - {Role.SYSADMIN, Role.DATA_FEED}))
CALLERS = (
    f"data_feed+{EVERY_ROLE}:feed", f"{EVERY_ROLE}:officer:{HONGCAO}", f"{EVERY_ROLE}:second", "enterprise_agent:agent:" + uscc(6000),
    f"town_reviewer:town:{HONGCAO}", "viewer:looker",
)
schemathesis.openapi.format("uscc", st.sampled_from([uscc(number) for number in FIRMS]))
schemathesis.openapi.format("certificate-number", st.integers(0, 999_999).map(lambda number: f"GR202444{number:06d}"))
schemathesis.openapi.format("entry-number", st.integers(0, 10**8 - 1).map(lambda number: f"2026441502{number:08d}"))
schemathesis.openapi.format("patent-number", st.integers(0, 9999).map(patent_no))
for media in ("text/csv", "application/x-ndjson", XLSX):
    schemathesis.openapi.media_type(media, st.binary(max_size=200) | st.just(b"uscc,name\n1,2\n") | st.just(b'{"uscc": "1"}\n'))
for media in FORMATS:
    schemathesis.openapi.media_type(media, st.binary(max_size=200) | st.just(b"%PDF-1.7\n%%EOF"))


class Caller:
    """Sends the cases that were generated from a document: by somebody, and mostly to records that are there."""

    def __init__(self, office: Office) -> None:
        self.office = office
        self.tokens = [office.bearer(by) for by in CALLERS]
        self.known: dict[str, list[str]] = {}
        for service, kind in ALL:
            path = f"/{service}/v1/{kind.name}"
            self.known[path] = [office.make(path, bodies(number)[kind.name])["id"] for number in FIRMS[:2]]

    def app(self, service: str) -> Flask:
        return self.office.clients[service].application

    def send(self, case: Any) -> None:
        """Call, and check the answer against the document."""
        draw = zlib.crc32(repr((case.path_parameters, case.query, case.body)).encode("utf-8", "replace"))
        self._aim(case, draw)
        case.call_and_validate(headers=self.tokens[draw % len(self.tokens)])

    def _aim(self, case: Any, draw: int) -> None:
        """Put a known record's id, and its present version, where the document only says that it is a text."""
        path = case.operation.path.partition("/{record_id}")[0]
        there = self.known.get(path)
        if not there or "{record_id}" not in case.operation.path or _is_wrong(case, ParameterLocation.PATH) or draw % 8 == 0:
            return
        found = there[draw % len(there)]
        case.path_parameters["record_id"] = found
        if "If-Match" in (case.headers or {}) and not _is_wrong(case, ParameterLocation.HEADER):
            answer = self.office.call("GET", f"{path}/{found}", by="auditor")
            case.headers["If-Match"] = answer.headers.get("ETag", '"1"')


def _is_wrong(case: Any, location: ParameterLocation) -> bool:
    return case.meta is not None and bool(case.meta.is_negative_at(location))


@pytest.fixture(scope="module")
def caller(mongo_uri: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Caller]:
    patch = pytest.MonkeyPatch()
    patch.setenv("SYNTHETIC_IDS", "true")
    mongoengine.disconnect_all()
    yield Caller(Office(mongo_uri, Path(tmp_path_factory.mktemp("keys"))))
    mongoengine.disconnect_all()
    patch.undo()
