"""The access log: refused tries and looks, each in its process's chain, whatever happens to the store."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from typing import Any

import pytest
from pymongo.errors import ConnectionFailure

from shared.auth.principal import ANONYMOUS, Principal
from shared.auth.roles import Role
from shared.clock import SystemClock
from shared.errors import RuleBroken, Unavailable
from shared.mongo import Client, connect, transact
from shared.records.access_log import AccessLog
from shared.records.image import digest
from tests.integration.records.conftest import Office
from tests.system.made import DONGCHONG, HONGCAO, certificate, citizen_id, enterprise, uscc

OFFICER = Principal("a" * 32, frozenset({Role.BUREAU_REVIEWER}))


def entries(office: Office, service: str = "registry") -> list[dict[str, Any]]:
    app = office.clients[service].application
    app.extensions["access_log"].flush()
    return list(app.extensions["access_log"]._entries.find().sort([("stream", 1), ("seq", 1)]))


def newest(office: Office, service: str = "registry") -> dict[str, Any]:
    return entries(office, service)[-1]


def test_every_refused_write_leaves_a_line_with_who_when_what_and_why(office: Office) -> None:
    firm = office.make("/registry/v1/enterprises", enterprise(100))
    path, route = f"/registry/v1/enterprises/{firm['id']}", "/registry/v1/enterprises/<record_id>"
    sneaky = f"town_reviewer:t:{DONGCHONG}"
    tries: list[tuple[Any, str, int, str]] = [
        (office.call("POST", "/registry/v1/enterprises", enterprise(100), by=""), route[:-12], 401, "unauthorized"),
        (office.call("POST", "/registry/v1/enterprises", enterprise(100), by="viewer"), route[:-12], 403, "forbidden"),
        (office.call("POST", "/registry/v1/enterprises", enterprise(100)), route[:-12], 409, "conflict"),
        (office.call("POST", "/registry/v1/enterprises", {"uscc": "x"}), route[:-12], 422, "invalid"),
        (office.call("PATCH", path, {"name": "x"}, version=9), route, 412, "stale_version"),
        (office.call("PATCH", path, {"name": "x"}), route, 428, "precondition_required"),
        (office.call("PATCH", path, {"name": "x"}, version=1, by=sneaky), route, 404, "not_found"),
        (office.call("POST", f"{path}/transitions", {"action": "approve"}, version=1, by="bureau_reviewer"), f"{route}/transitions",
         409, "rule_broken"),
    ]
    found = entries(office)[-len(tries):]
    for entry, (answer, template, status, code) in zip(found, tries, strict=True):
        assert (answer.status_code, entry["status"]) == (status, status)
        assert (entry["event"], entry["route"], entry["code"], entry["kind"]) == ("refusal", template, code, "enterprises")
        assert entry["record_id"] == (firm["id"] if "<record_id>" in template else None)
        assert entry["time"]
        assert "name" not in entry
    assert [(entry["actor"] == "", entry["role"]) for entry in found[:2]] == [(True, ""), (False, "viewer")]


def test_what_a_known_caller_may_not_see_leaves_a_line_and_a_stranger_s_read_none(office: Office) -> None:
    office.make("/registry/v1/enterprises", enterprise(101, HONGCAO))
    before = len(entries(office))
    assert office.call("GET", f"/registry/v1/enterprises/{uscc(101)}", by="").status_code == 401
    assert len(entries(office)) == before
    assert office.call("GET", f"/registry/v1/enterprises/{uscc(101)}", by=f"town_reviewer:t:{DONGCHONG}").status_code == 404
    assert newest(office)["record_id"] == uscc(101)


@pytest.mark.parametrize(("given", "kept"), [
    (citizen_id(7), "***"), (citizen_id(7)[:-1] + "9", "***"), ("13800138000", "***"), ("欧阳明珠", "***"), ("x" * 65, "***"),
    (uscc(7), uscc(7)), ("202644150200000001", "202644150200000001"),
])
def test_no_path_brings_a_person_into_the_log(office: Office, given: str, kept: str) -> None:
    assert office.call("PATCH", f"/registry/v1/enterprises/{given}", {"name": "x"}, version=1).status_code == 404
    assert newest(office)["record_id"] == kept


def test_staff_who_open_a_record_with_personal_fields_leave_a_line_and_its_owner_none(office: Office) -> None:
    office.make("/registry/v1/enterprises", enterprise(102, contact_name="欧阳明珠", contact_phone="13800138000"))
    path = f"/registry/v1/enterprises/{uscc(102)}"
    assert "13800138000" not in office.call("GET", path, by="bureau_reviewer:r").text
    look = newest(office)
    assert (look["event"], look["record_id"], look["fields"]) == ("look", uscc(102), ["contact_name", "contact_phone"])
    before = len(entries(office))
    assert office.call("GET", path, by=f"enterprise_agent:a:{uscc(102)}").status_code == 200
    office.make("/registry/v1/hnte-certificates", certificate("GR202444910001", uscc(102), "2024-12-01"))
    assert office.call("GET", "/registry/v1/hnte-certificates/GR202444910001", by="bureau_reviewer:r").status_code == 200
    assert len(entries(office)) == before


def test_entries_chain_in_the_order_of_their_stream(office: Office) -> None:
    for n in range(5):
        office.call("POST", "/registry/v1/enterprises", {"uscc": str(n)})
    found = entries(office)
    assert [entry["seq"] for entry in found] == list(range(1, len(found) + 1))
    assert all(entry["hash"] == digest(entry) for entry in found)
    assert [entry["prev_hash"] for entry in found[1:]] == [entry["hash"] for entry in found[:-1]]


def refuse(log: AccessLog, status: int = 403) -> None:
    log.note_refusal(ANONYMOUS, method="POST", route="/x", status=status, code="forbidden")


def look(log: AccessLog) -> None:
    log.note_look(OFFICER, method="GET", route="/x", kind="introductions", record_id="i1", fields=["person"], purpose="核验", reason="投诉")


def test_many_hands_at_once_make_one_unbroken_chain(mongo: Client, database_name: str) -> None:
    log = AccessLog(mongo[database_name], SystemClock())
    hands = [threading.Thread(target=lambda: [refuse(log) or look(log) for _ in range(20)]) for _ in range(8)]
    for hand in hands:
        hand.start()
    for hand in hands:
        hand.join()
    log.flush()
    found = list(mongo[database_name].access_log.find().sort("seq", 1))
    assert [entry["seq"] for entry in found] == list(range(1, 321))
    assert [entry["prev_hash"] for entry in found[1:]] == [entry["hash"] for entry in found[:-1]]


def test_a_line_outlives_the_transaction_that_it_was_written_in(mongo: Client, database_name: str) -> None:
    log = AccessLog(mongo[database_name], SystemClock())
    mongo[database_name].create_collection("access_log")

    def work(_: Any) -> None:
        look(log)
        raise RuleBroken("no")

    with pytest.raises(RuleBroken):
        transact(mongo, work)
    assert mongo[database_name].access_log.count_documents({}) == 1


def test_an_insert_whose_answer_was_lost_is_not_entered_twice(mongo: Client, database_name: str) -> None:
    log = AccessLog(mongo[database_name], SystemClock())
    log.ensure_indexes()
    refuse(log)
    first = log._chained([dict(entry) for entry in log._waiting])
    log._store(first)  # stored, but the process never heard of it
    refuse(log)
    log.flush()
    assert [entry["seq"] for entry in mongo[database_name].access_log.find().sort("seq", 1)] == [1, 2]


def test_without_a_store_nothing_is_shown_and_refusals_wait_but_not_without_end(mongo: Client, database_name: str) -> None:
    away = connect("mongodb://127.0.0.1:9/?", database_name, alias="away")
    log = AccessLog(away[database_name], SystemClock(), capacity=3)
    with pytest.raises(ConnectionFailure):
        look(log)
    log._thread = threading.current_thread()  # no writer of its own: the test says when
    refuse(log)
    refuse(log)
    with pytest.raises(Unavailable):
        refuse(log)
    log._entries = mongo[database_name].access_log
    log.flush()
    assert [entry["event"] for entry in mongo[database_name].access_log.find().sort("seq", 1)] == ["look", "refusal", "refusal"]


PROCESS = """
import os, signal, sys
from shared.auth.principal import ANONYMOUS
from shared.clock import SystemClock
from shared.mongo import connect
from shared.records.access_log import AccessLog
signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
log = AccessLog(connect(sys.argv[1], sys.argv[2])[sys.argv[2]], SystemClock())
for n in range(2000):
    log.note_refusal(ANONYMOUS, method="POST", route="/x", status=403, code="forbidden")
os.kill(os.getpid(), signal.SIGTERM)
signal.pause()
"""


def test_sigterm_loses_nothing(mongo: Client, mongo_uri: str, database_name: str) -> None:
    done = subprocess.run([sys.executable, "-c", PROCESS, mongo_uri, database_name], env=dict(os.environ), check=False, timeout=60)
    assert done.returncode == 0
    assert mongo[database_name].access_log.count_documents({}) == 2000
