"""The loader against a server that keeps the contract's manners and nothing else."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from typing import Any

import pytest
from flask import Flask, Response, jsonify, request
from werkzeug.serving import make_server

from deploy.local.client import Refused
from deploy.local.demo import SERVICE_OF
from deploy.local.demo.load import NATURAL_KEYS, load, rows_of

IDENTITY = {"introductions": ("person", "employer_uscc", "hired_on"), "statistics": ("series_code", "period", "doc_no"),
            "policies": ("policy_code", "version_no"), "applications": ("application_no",)}


class Server:
    """Records by kind and id, the answers under idempotency keys, and a list of everything that was written."""

    def __init__(self) -> None:
        self.records: dict[str, dict[str, Any]] = {kind: {} for kind in (*SERVICE_OF, "policies")}
        self.answers: dict[str, Any] = {}
        self.jobs: list[dict[str, Any]] = []
        self.writes: list[str] = []
        self.refuse: str = ""
        self.app = Flask("fake")
        base = "/<service>/v1/<kind>"
        for path, view, method in (
            (f"{base}/import", self.take, "POST"), (f"{base}/imports/<int:job>", self.job, "GET"), (base, self.post, "POST"),
            (base, self.list, "GET"), (f"{base}/<name>", self.get, "GET"), (f"{base}/<name>", self.patch, "PATCH"),
            (f"{base}/<name>/transitions", self.step, "POST"),
        ):  # fmt: skip
            self.app.add_url_rule(path, f"{method} {path}", view, methods=[method])

    def put(self, kind: str, row: dict[str, Any]) -> dict[str, Any]:
        fields = IDENTITY.get(kind, ("name", "uscc", "valid_from", "from_month", "bank", "indicator_id", "title", "granted_on"))
        name = row.get(NATURAL_KEYS.get(kind, "")) or json.dumps([row.get(field) for field in fields])
        state = {"enterprises": "active", "policies": "draft"}.get(kind, "verified")
        known = self.records[kind].get(name)
        if known is None:
            self.writes.append(f"{kind}/{name}")
            known = self.records[kind][name] = {"state": state, **row, "id": name, "version": 1}
        return known

    def take(self, service: str, kind: str) -> Any:
        assert service == SERVICE_OF[kind]
        assert request.content_type == "application/x-ndjson"
        rows = [json.loads(line) for line in request.get_data().splitlines()]
        for row in rows:
            self.put(kind, row)
        refused = [{"row": 3, "column": "name", "code": "invalid", "message": "no"}] if kind == self.refuse else []
        self.jobs.append({"state": "done", "rows": len(rows), "created": len(rows), "refused": len(refused), "errors": refused})
        return jsonify(id=str(len(self.jobs) - 1)), 202

    def job(self, service: str, kind: str, job: int) -> Any:
        return jsonify(self.jobs[job])

    def post(self, service: str, kind: str) -> Any:
        key = request.headers.get("Idempotency-Key") or request.get_data(as_text=True)
        self.answers.setdefault(key, [0, self.put(kind, request.get_json())])[0] += 1
        return jsonify(self.answers[key][1]), 201

    def list(self, service: str, kind: str) -> Any:
        wanted = {field: value for field, value in request.args.items() if field not in ("limit", "cursor")}
        found = [r for r in self.records[kind].values() if all(str(r.get(f)) == v for f, v in wanted.items())]
        start = int(request.args.get("cursor", 0))
        size = 500 if kind == "introductions" else 5
        return jsonify(items=found[start : start + size], next=str(start + size) if len(found) > start + size else None)

    def get(self, service: str, kind: str, name: str) -> Any:
        found = self.records[kind].get(name)
        return (jsonify(found), 200) if found else (jsonify(title="Not found"), 404)

    def changed(self, kind: str, name: str, change: dict[str, Any]) -> Response:
        record = self.records[kind][name]
        assert request.headers["If-Match"] == f'"{record["version"]}"'
        assert change.pop("reason")
        change.pop("effective_on", None)
        record.update(change, version=record["version"] + 1)
        self.writes.append(f"{kind}/{name}")
        return jsonify(record)

    def patch(self, service: str, kind: str, name: str) -> Any:
        return self.changed(kind, name, json.loads(request.get_data()))

    def step(self, service: str, kind: str, name: str) -> Any:
        body = json.loads(request.get_data())
        action = body.pop("action")
        if action == "sign":
            return self.changed(kind, name, {"state": "in_force", "reason": "签发"})
        after = {"in_force": [{"from": "2020-01-01", "to": body["effective_on"]}]} if action == "lapse" else {"state": action}
        return self.changed(kind, name, body | after)


@pytest.fixture
def server() -> Iterator[Server]:
    fake = Server()
    http = make_server("127.0.0.1", 0, fake.app, threaded=True)
    thread = threading.Thread(target=http.serve_forever)
    thread.start()
    fake.url = f"http://127.0.0.1:{http.server_port}"  # type: ignore[attr-defined]
    yield fake
    http.shutdown()
    thread.join()
    http.server_close()


def run(server: Server, **options: Any) -> dict[str, int]:
    return load(server.url, lambda roles: "+".join(roles), progress=False, **options)  # type: ignore[attr-defined]


def test_everything_is_loaded_and_corrected(server: Server) -> None:
    loaded = run(server)
    assert loaded == {kind: len(rows_of(kind)) for kind in SERVICE_OF}
    assert {kind: len(rows) for kind, rows in server.records.items() if kind != "policies"} == loaded
    assert {policy["state"] for policy in server.records["policies"].values()} == {"in_force"}
    assert sorted(times for times, _ in server.answers.values()) == [1] * len(server.records["policies"]) + [2] * 9
    deals = [row for row in server.records["tech-contracts"].values() if row["version"] == 2]
    assert [(row["deal_amount_fen"], row["tech_amount_fen"]) for row in deals] == [(100_000_000, 80_000_000)]
    ids = {row["id"] for row in server.records["platforms"].values()}
    units = [row["platform_id"] for row in server.records["rd-units"].values() if "platform_id" in row]
    assert units
    assert set(units) <= ids


def test_a_second_load_changes_nothing(server: Server) -> None:
    run(server)
    before = list(server.writes)
    run(server)
    assert server.writes == before


def test_rows_may_be_left_out(server: Server) -> None:
    wrong = next(step for step in rows_of("steps") if step["kind"] == "tech-contracts" and step["step"] == "patch")["find"]
    left_out = {"introductions", "platforms", "rd-units"}
    loaded = run(server, skip=lambda kind, row: kind in left_out or row.get("registration_no") == wrong["registration_no"])
    assert loaded["introductions"] == 0
    assert loaded["tech-contracts"] == 13
    assert not server.records["introductions"]


def test_a_refused_row_is_named(server: Server) -> None:
    server.refuse = "patents"
    with pytest.raises(Refused, match=r"patents: 1 rows refused\n  row 3, name: no \(invalid\)"):
        run(server)


def test_a_server_that_is_away_is_one_sentence() -> None:
    with pytest.raises(Refused, match="does not answer"):
        load("http://127.0.0.1:9", lambda roles: "x", progress=False)
