"""An Idempotency-Key is remembered for as long as it should be, whatever the district's clock says."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path

from pymongo import MongoClient

from services.registry import app as registry
from shared.clock import DemoClock, parse_instant
from tests.integration.records.conftest import Office
from tests.system.made import enterprise


def test_a_demo_clock_of_last_year_does_not_make_the_store_forget_a_key(office: Office, mongo_uri: str, tmp_path: Path) -> None:
    DemoClock.create(tmp_path / "clock", parse_instant("2025-06-30T08:00:00+08:00"))
    app = registry.create_app(office.environ | {"DEMO_CLOCK_FILE": str(tmp_path / "clock")})
    app.extensions["verifier"] = office.clients["registry"].application.extensions["verifier"]
    token = office.issuer.mint(["data_feed"], "feed")
    headers = {"Authorization": f"Bearer {token}", "Idempotency-Key": "of last year"}
    answer = app.test_client().post("/registry/v1/enterprises", json=enterprise(9_001), headers=headers)
    assert answer.status_code == 201, answer.text
    assert answer.json is not None
    assert answer.json["recorded_at"].startswith("2025-06-30")
    with MongoClient(mongo_uri, tz_aware=True) as client:
        (kept,) = client[f"{office.environ['DB_PREFIX']}_registry"]["idempotency"].find({"image.id": answer.json["id"]})
    assert kept["at"] > datetime.now(UTC) - timedelta(days=1)


def test_twins_get_one_answer_also_when_the_first_is_still_at_it(office: Office) -> None:
    path = "/registry/v1/enterprises/" + office.make("/registry/v1/enterprises", enterprise(9_002))["id"]
    app, headers = office.clients["registry"].application, office.bearer("data_feed") | {"Idempotency-Key": "twins", "If-Match": '"1"'}

    def move(_: int) -> tuple[int, int]:
        answer = app.test_client().post(f"{path}/transitions", json={"action": "move_out", "effective_on": "2026-01-01"}, headers=headers)
        return answer.status_code, answer.get_json().get("version")

    with ThreadPoolExecutor(12) as pool:
        assert set(pool.map(move, range(12))) == {(200, 2)}
    other = office.call("POST", f"{path}/transitions", {"action": "move_in"}, version=1, headers={"Idempotency-Key": "third"})
    assert other.status_code == 412
