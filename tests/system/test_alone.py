"""Every process as an operator runs it, by itself and told by its environment alone."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest

from deploy.local.mongod import Mongod, die_with_parent, free_port
from deploy.local.up import BACKGROUND, TOOL
from shared.mongo import Client
from tests.system.stack import wait_until

KEYS = dict.fromkeys(("ACTOR_KEY", "FIELD_KEY", "BLIND_KEY"), "ab" * 32)
OIDC = {"OIDC_ISSUER": "urn:test", "OIDC_AUDIENCE": "kechuang", "OIDC_JWKS_URL": "http://127.0.0.1:9/jwks.json"}
SERVED = [["serve", name] for name in ("registry", "incentives", "metrics")]
ALL_NEEDED = {"MONGO_URI", *KEYS, *OIDC}
NEEDED = {
    "serve registry": ALL_NEEDED, "serve incentives": ALL_NEEDED, "worker registry": ALL_NEEDED, "worker incentives": ALL_NEEDED,
    "migrate": ALL_NEEDED,
}
Start = Callable[..., "subprocess.Popen[str]"]


def command_of(words: list[str]) -> list[str]:
    return [*TOOL, *words, "--data", "/nonexistent"]


def bare(**told: str) -> dict[str, str]:
    return {"PATH": os.environ["PATH"], "PYTHONUNBUFFERED": "1", **told}


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    started: list[subprocess.Popen[str]] = []

    def go(words: list[str], **told: str) -> subprocess.Popen[str]:
        with open(tmp_path / "process.log", "a") as log:
            started.append(subprocess.Popen(
                command_of(words), env=bare(**told), stdout=log, stderr=log, stdin=subprocess.DEVNULL, text=True,
                preexec_fn=die_with_parent, start_new_session=True,
            ))
        return started[-1]

    yield go
    for process in started:
        process.kill()
        process.wait()


def status(port: int, path: str) -> int:
    try:
        return httpx.get(f"http://127.0.0.1:{port}{path}", timeout=10, trust_env=False).status_code
    except httpx.TransportError:
        return 0


@pytest.mark.parametrize("words", [*SERVED, *BACKGROUND.values(), ["migrate"]], ids=" ".join)
def test_every_missing_variable_is_named_at_once(words: list[str]) -> None:
    done = subprocess.run(command_of(words), env=bare(), capture_output=True, text=True, stdin=subprocess.DEVNULL, check=False)
    assert done.returncode == 1
    assert len(done.stderr.splitlines()) == 1
    missing = {part.split()[0] for part in done.stderr.removeprefix("kechuang: ").split("; ")}
    assert "MONGO_URI" in missing or words == ["serve", "metrics"]
    assert NEEDED.get(" ".join(words), set()) <= missing


@pytest.mark.parametrize("key", ["", "ab" * 16, "ab" * 32 + "\n"], ids=["none", "short", "with a line's end"])
@pytest.mark.parametrize("words", [["serve", "registry"], ["worker", "incentives"], ["migrate"]], ids=" ".join)
def test_a_key_that_is_none_is_refused(words: list[str], key: str) -> None:
    told = bare(MONGO_URI="mongodb://127.0.0.1:9", **OIDC, **KEYS | {"FIELD_KEY": key, "BLIND_KEY": key})
    done = subprocess.run(command_of(words), env=told, capture_output=True, text=True, stdin=subprocess.DEVNULL, check=False)
    assert done.returncode == 1
    named = "; ".join(f"{name} is not a key of 64 hexadecimal digits" for name in ("FIELD_KEY", "BLIND_KEY"))
    assert done.stderr == f"kechuang: {named}\n"


def test_a_recount_asks_with_the_token_that_it_is_given_and_a_rebuild_from_the_log_needs_none(
    mongo_uri: str, mongo: Client, database_name: str
) -> None:
    def run(*words: str, **told: str) -> subprocess.CompletedProcess[str]:
        env = bare(MONGO_URI=mongo_uri, DB_PREFIX=database_name, PUBLIC_URL="http://127.0.0.1:9", **told)
        return subprocess.run(command_of(list(words)), env=env, capture_output=True, text=True, stdin=subprocess.DEVNULL, check=False)

    try:
        assert run("rebuild").returncode == 0
        assert "KECHUANG_TOKEN is not set" in run("reconcile").stderr
        assert run("reconcile").returncode == run("rebuild", "--from", "stores").returncode == 2
        asked = run("reconcile", KECHUANG_TOKEN="of another issuer")
        assert (asked.returncode, "feed" in asked.stderr) == (1, True), asked.stderr
    finally:
        for name in ("metrics", "log"):
            mongo.drop_database(f"{database_name}_{name}")


@pytest.mark.parametrize("words", BACKGROUND.values(), ids=" ".join)
def test_a_process_without_a_face_tells_its_state_and_ends_well(
    words: list[str], start: Start, mongo_uri: str, database_name: str, tmp_path: Path
) -> None:
    port = free_port()
    process = start(words, MONGO_URI=mongo_uri, DB_PREFIX=database_name, TELEMETRY_PORT=str(port), **KEYS, **OIDC)
    wait_until(lambda: status(port, "/-/ready") == 200, what="ready")
    assert status(port, "/-/live") == 200
    assert status(port, "/elsewhere") == 404
    process.send_signal(signal.SIGTERM)
    assert process.wait(10) == 0
    assert "Traceback" not in (tmp_path / "process.log").read_text()


def test_without_its_database_a_process_lives_but_is_not_ready_and_recovers_by_itself(start: Start, tmp_path: Path) -> None:
    folder, port = tmp_path / "mongod", free_port()
    with Mongod(folder) as first:
        uri, at = first.uri, first.port
        process = start(["relay", "registry"], MONGO_URI=uri, TELEMETRY_PORT=str(port))
        wait_until(lambda: status(port, "/-/ready") == 200, what="ready")
    wait_until(lambda: status(port, "/-/ready") == 503, what="not ready")
    assert status(port, "/-/live") == 200
    with Mongod(folder, at):
        wait_until(lambda: status(port, "/-/ready") == 200, what="ready again")
    assert process.poll() is None


@pytest.mark.parametrize("words", [*SERVED, ["serve", "portal"]], ids=" ".join)
def test_a_service_answers_and_ends_well(words: list[str], start: Start, mongo_uri: str, database_name: str, tmp_path: Path) -> None:
    port = free_port()
    process = start(words, MONGO_URI=mongo_uri, DB_PREFIX=database_name, BIND=f"127.0.0.1:{port}", **KEYS, **OIDC)
    prefix = "" if words[1] == "portal" else f"/{words[1]}"
    wait_until(lambda: status(port, f"{prefix}/-/live") == 200, what="live")
    process.send_signal(signal.SIGTERM)
    assert process.wait(10) == 0
    assert "Traceback" not in (tmp_path / "process.log").read_text()
