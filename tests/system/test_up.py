"""`kechuang up` as a user runs it: ready, healing, refusing, stopping without a trace, going on where it stopped."""

import signal
import socket
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from deploy.local.up import WEB
from tests.system.stack import TOOL, Stack, processes_of, wait_until

START = "2026-06-30T08:00:00+08:00"
BACKGROUND = ["relay registry", "relay incentives", "worker registry", "worker incentives", "ingest", "publish"]


@pytest.fixture
def running(stack: Callable[..., Stack]) -> Stack:
    return stack(clock=START)


def up(data: Path, *words: str) -> subprocess.CompletedProcess[str]:
    command = [*TOOL, "up", "--data", str(data), *words]
    return subprocess.run(command, capture_output=True, text=True, stdin=subprocess.DEVNULL, check=False)


def test_a_folder_in_use_gets_one_sentence(running: Stack) -> None:
    second = up(running.data.path, "--port", "0")
    assert second.returncode == 2
    assert second.stderr == f"kechuang: {running.data.path} is in use by another kechuang (pid {running.process.pid})\n"


def test_a_busy_port_gets_one_sentence(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        refused = up(tmp_path / "d", "--port", str(port))
    assert refused.returncode == 2
    assert refused.stderr == f"kechuang: port {port} is used by another program: choose another with --port\n"
    assert not processes_of(tmp_path / "d")


def test_a_store_that_does_not_answer_gets_one_sentence(tmp_path: Path) -> None:
    refused = up(tmp_path / "d", "--port", "0", "--mongo", "mongodb://127.0.0.1:1/?serverSelectionTimeoutMS=200")
    assert refused.returncode == 2
    assert refused.stderr.startswith("kechuang: no MongoDB answers at 127.0.0.1:1")
    assert len(refused.stderr.splitlines()) == 1


@pytest.mark.parametrize("name", [*BACKGROUND, WEB])
def test_a_killed_process_comes_back(running: Stack, name: str) -> None:
    before = set(running.pids(name))
    running.kill(name)
    wait_until(lambda: set(running.pids(name)) - before and not before & set(running.pids(name)), what=f"{name} again")
    assert running.request("GET", "/registry/-/ready", token="").status_code in (200, 503)
    wait_until(lambda: running.request("GET", "/registry/-/ready", token="").status_code == 200)


def test_a_killed_store_comes_back(running: Stack) -> None:
    before = running.pids("mongod")
    assert len(before) == 1
    running.kill("mongod")
    wait_until(lambda: running.pids("mongod") not in ([], before), what="mongod again")
    wait_until(lambda: running.request("GET", "/registry/-/ready", token="").status_code == 200)


def test_the_clock_moves_forward_only(running: Stack) -> None:
    assert running.run("clock", "set", "2026-07-02T09:00:00+08:00").stdout.startswith("2026-07-02T09:00:0")
    back = running.run("clock", "set", "2026-07-01T00:00:00+08:00", check=False)
    assert back.returncode == 2
    assert len(back.stderr.splitlines()) == 1


def test_a_token_opens_what_its_role_may_see(running: Stack) -> None:
    token = running.run("token", "--role", "auditor", "--role", "viewer").stdout.strip()
    assert running.request("GET", "/registry/v1/events", token=token).status_code == 200
    assert running.request("GET", "/registry/v1/events", token="").status_code == 401
    unknown = running.run("token", "--role", "emperor", check=False)
    assert (unknown.returncode, len(unknown.stderr.splitlines())) == (2, 1)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_stopped_stack_leaves_nothing_and_goes_on_later(tmp_path: Path, number: int) -> None:
    data = tmp_path / "d"
    first = Stack(data, "--clock", START)
    kept = first.get("/metrics/v1/indicators")["items"]
    first.clock_set("2026-07-05T10:00:00+08:00")
    assert len(processes_of(data)) >= 9
    assert first.stop(number) == 0
    assert not processes_of(data)
    earlier = up(data, "--port", "0", "--clock", START)
    assert (earlier.returncode, len(earlier.stderr.splitlines())) == (2, 1)
    second = Stack(data)
    try:
        read = second.get("/metrics/v1/indicators")
        assert read["as_of"] == "2026-07-05"
        assert [item["id"] for item in read["items"]] == [item["id"] for item in kept]
    finally:
        second.stop()


def test_a_killed_stack_leaves_nothing(tmp_path: Path) -> None:
    stack = Stack(tmp_path / "d", "--clock", START)
    stack.http.close()
    stack.process.kill()
    stack.process.wait()
    wait_until(lambda: not processes_of(tmp_path / "d"), what="all children gone")
    stack.stop()
