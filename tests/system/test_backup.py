"""A running stack, backed up while it is written to and restored elsewhere: as it was, to the last acknowledged write."""

from __future__ import annotations

import http.client
import os
import shutil
import subprocess
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from deploy.backup import keys
from deploy.backup.archive import Manifest, open_archive
from shared.ids import new_id
from tests.faults.listener import messages
from tests.system.made import certificate, citizen_id, enterprise, introduction, uscc
from tests.system.stack import TOOL, Stack, wait_until

START = "2026-06-30T08:00:00+08:00"
COUNT = "hnte_count"
FIRMS_BEFORE = 20
PASSPHRASE = "一把钥匙"
SCAN = b"%PDF-1.4\n" + bytes(range(256)) * 40 + b"\n%%EOF\n"
ATTACHMENTS = f"/registry/v1/enterprises/{uscc(9000)}/attachments"
PERSON = {"name": "测试人", "id_kind": "citizen_id", "id_number": citizen_id(7)}


class Writer(threading.Thread):
    """Posts firms with a certificate each, as fast as they are taken; `acknowledged` are those whose both are."""

    def __init__(self, stack: Stack) -> None:
        super().__init__(daemon=True)
        self.stack, self.acknowledged = stack, list[str]()
        self._over = threading.Event()

    def run(self) -> None:
        number = 1
        while not self._over.is_set():
            firm = uscc(number)
            self.stack.post("/registry/v1/enterprises", enterprise(number))
            self.stack.post("/registry/v1/hnte-certificates", certificate(f"GR2025440{number:05d}", firm, "2025-12-01"))
            self.acknowledged.append(firm)
            number += 1

    def stop(self) -> None:
        self._over.set()
        self.join(60)
        assert not self.is_alive()


@dataclass
class Told:
    """What the lost stack had said before it was lost."""

    before: list[str] = field(default_factory=list)  # firms acknowledged before the backup began
    after: list[str] = field(default_factory=list)  # and when it had ended
    early: int = 0  # a sequence that a client had seen by then
    late: int = 0  # and one from after the backup
    person: Any = None
    scan: str = ""  # path of a scan that was attached
    note: str = ""  # what the command said
    manifest: Manifest | None = None
    folder: Path = Path()


def last_sequence(stack: Stack) -> int:
    return int(stack.get("/metrics/v1/indicators")["sequence"])


def streamed(stack: Stack, last: int, value: float) -> tuple[list[int], list[str]]:
    """What a client that comes back with `last` is given until it knows that COUNT is `value`: sequences, kinds of message."""
    connection = http.client.HTTPConnection(urlsplit(stack.url).netloc, timeout=30)
    sequences, kinds = [], []
    try:
        connection.request("GET", "/metrics/v1/stream", headers={"Last-Event-ID": str(last)})
        for event, sequence, body in messages(connection.getresponse()):
            sequences.append(sequence)
            kinds.append(event)
            if any(item["id"] == COUNT and item["value"] == value for item in body.get("items", [body])):
                return sequences, kinds
    finally:
        connection.close()
    raise AssertionError("the stream ended")


@pytest.fixture(scope="module", params=["embedded", "kafka"])
def log_of(request: pytest.FixtureRequest) -> Iterator[Any]:
    """How `up` is told of its log: words and environment, the second time an empty log."""
    if request.param == "embedded":
        yield lambda: ([], {})
    else:
        bootstrap = request.getfixturevalue("kafka").bootstrap
        yield lambda: (["--kafka", bootstrap], {"KAFKA_PREFIX": f"{new_id().lower()}-"})


@pytest.fixture(scope="module")
def lost(log_of: Any, tmp_path_factory: pytest.TempPathFactory) -> Told:
    """A stack that was backed up under load, went on for a while and is gone."""
    folder = tmp_path_factory.mktemp("lost")
    words, environ = log_of()
    stack = Stack(folder / "data", "--clock", START, *words, environ=environ | {"PUBLIC_BOARD": "true", "SYNTHETIC_IDS": "true"})
    writer, told = Writer(stack), Told(folder=folder / "backup")
    try:
        stack.post("/registry/v1/enterprises", enterprise(9000))
        told.scan = stack.request("POST", ATTACHMENTS, params={"purpose": "licence"}, content=SCAN).headers["Location"]
        body = introduction(PERSON["id_number"], PERSON["name"], uscc(9000), "441502100", "2026-03-01")
        told.person = stack.post("/incentives/v1/introductions", body)
        writer.start()
        wait_until(lambda: len(writer.acknowledged) >= FIRMS_BEFORE, what="the first firms")
        told.early, told.before = last_sequence(stack), list(writer.acknowledged)
        told.note = stack.run("backup", str(told.folder)).stderr
        told.after = list(writer.acknowledged)
        more = len(told.after) + 5
        wait_until(lambda: len(writer.acknowledged) >= more, what="firms after the backup")
        writer.stop()
        stack.settle()
        told.late = last_sequence(stack)
    finally:
        writer.stop()
        stack.stop()
    told.manifest = open_archive(told.folder)
    return told


@pytest.fixture(scope="module")
def restored(lost: Told, log_of: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    target = tmp_path_factory.mktemp("restored") / "data"
    done = command("restore", str(lost.folder), "--into", str(target))
    assert done.returncode == 0, done.stderr
    words, environ = log_of()
    stack = Stack(target, *words, environ=environ | {"PUBLIC_BOARD": "true", "SYNTHETIC_IDS": "true"})
    yield stack
    stack.stop()


def command(*words: str, **environ: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*TOOL, *words], capture_output=True, text=True, stdin=subprocess.DEVNULL, check=False, env=os.environ | environ
    )


def firms_of(stack: Stack) -> set[str]:
    """Firms that hold a certificate, from the registry's own event feed."""
    found, after = set(), None
    while True:
        page = stack.get("/registry/v1/events", params={"limit": "500"} | ({"after": after} if after else {}))
        found |= {event["data"]["uscc"] for event in page["items"] if event["subject"].startswith("hnte-certificates/")}
        after = page["next"]
        if after is None:
            return found


def test_everything_acknowledged_before_is_there_and_the_figures_are_those_of_that_instant(lost: Told, restored: Stack) -> None:
    restored.settle()
    firms = firms_of(restored)
    assert set(lost.before) <= firms
    assert len(firms) <= len(lost.after) + 1  # one may have been written but not yet acknowledged
    assert restored.indicator(COUNT)["value"] == len(firms)
    assert restored.run("reconcile").stdout.startswith("0 differences (")


def test_the_restored_stack_reads_what_was_sealed_and_knows_its_users(lost: Told, restored: Stack) -> None:
    found = restored.get(f"/incentives/v1/introductions/{lost.person['id']}", token=restored.token("data_feed"))
    assert found["person"] == lost.person["person"]
    again = introduction(PERSON["id_number"], PERSON["name"], uscc(9000), "441502100", "2026-03-01")
    assert restored.post("/incentives/v1/introductions", again)["duplicate_person"] is True  # known by the same key as then


def test_a_scan_comes_back_as_it_was(lost: Told, restored: Stack) -> None:
    assert restored.request("GET", lost.scan).content == SCAN


def test_time_goes_on_from_where_it_stood(restored: Stack) -> None:
    assert restored.run("clock", "set", "2026-06-30T08:00:00+08:00", check=False).returncode == 2


@pytest.mark.parametrize("seen", ["early", "late"])
def test_a_client_from_before_learns_of_everything_and_no_sequence_comes_twice(lost: Told, restored: Stack, seen: str) -> None:
    restored.settle()
    last = getattr(lost, seen)
    sequences, kinds = streamed(restored, last, restored.indicator(COUNT)["value"])
    assert kinds == ["snapshot"] or set(kinds) == {"indicator"}
    assert sequences == sorted(set(sequences))
    assert sequences[0] > last
    assert last_sequence(restored) > lost.late


def test_streams_and_writes_go_on(restored: Stack) -> None:
    restored.settle()
    before, last = restored.indicator(COUNT)["value"], last_sequence(restored)
    restored.post("/registry/v1/enterprises", enterprise(9001))
    restored.post("/registry/v1/hnte-certificates", certificate("GR202644099001", uscc(9001), "2026-05-01"))
    sequences, kinds = streamed(restored, last, before + 1)
    assert set(kinds) == {"indicator"}
    assert sequences[0] == last + 1


def test_the_backup_tells_that_it_holds_the_keys(lost: Told) -> None:
    assert keys.PASSPHRASE in lost.note
    assert lost.manifest is not None
    assert lost.manifest.keys == keys.PLAIN
    assert not [path for path in lost.folder.rglob("*") if path.stat().st_mode & 0o077]


def test_what_cannot_be_restored_changes_nothing(lost: Told, tmp_path: Path) -> None:
    bad = tmp_path / "bad"
    shutil.copytree(lost.folder, bad)
    (bad / "registry" / "changes.bson.gz").unlink()
    refused = command("restore", str(bad), "--into", str(tmp_path / "new"))
    assert (refused.returncode, len(refused.stderr.splitlines())) == (1, 1)
    assert "registry/changes.bson.gz is missing" in refused.stderr
    full = tmp_path / "full"
    full.mkdir()
    (full / "something").write_text("mine")
    refused = command("restore", str(lost.folder), "--into", str(full))
    assert (refused.returncode, len(refused.stderr.splitlines())) == (2, 1)
    refused = command("backup", str(full), "--data", str(tmp_path / "none"))
    assert (refused.returncode, len(refused.stderr.splitlines())) == (2, 1)
    assert {path.name for path in tmp_path.iterdir()} == {"bad", "full"}
    assert [path.name for path in full.iterdir()] == ["something"]
