"""What the manifests say, run as it stands: every container of the dev overlay as a process of this machine.

Command, arguments, environment and probes are read from the rendered manifests; only addresses and ports are replaced.
"""

from __future__ import annotations

import base64
import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from deploy.local.mongod import die_with_parent, free_port
from shared.mongo import Client
from tests.deploy.kustomize import Manifest, render
from tests.deploy.test_containers import DOCKERFILE, last
from tests.deploy.test_manifests import OVERLAYS, of_kind, pod
from tests.system.stack import wait_until

BIN = Path(sys.executable).parent
PROBES = ("startupProbe", "readinessProbe", "livenessProbe")
PORT_OF = {"http": "PORT", "telemetry": "TELEMETRY_PORT"}  # the variable that says where a named port listens
READY_S = 180
STOP_S = 30  # terminationGracePeriodSeconds


class Container:
    """One container of the overlay, as a process."""

    def __init__(self, manifest: Manifest, manifests: list[Manifest]) -> None:
        self.name: str = manifest["metadata"]["name"]
        self.spec: dict[str, Any] = pod(manifest)["containers"][0]
        self.environ = environ_of(self.spec, manifests)
        self.ports = {port["name"]: free_port() for port in self.spec.get("ports", [])}
        self.process: subprocess.Popen[bytes] | None = None

    @property
    def command(self) -> list[str]:
        """What the image starts, unless the manifest says otherwise; the tool is this machine's."""
        words = self.spec.get("command") or json.loads(last("ENTRYPOINT"))
        assert words[0] == "kechuang"
        return [str(BIN / "kechuang"), *words[1:], *self.spec["args"]]

    def start(self, replaced: dict[str, str], folder: Path, log: Path) -> None:
        told = {name: replace(value, replaced) for name, value in self.environ.items()}
        for port in self.spec.get("ports", []):
            assert told[PORT_OF[port["name"]]] == str(port["containerPort"]), "the process would listen elsewhere"
            told[PORT_OF[port["name"]]] = str(self.ports[port["name"]])
        image = {name: value for name, value in image_environ().items() if name not in ("PATH", "HOME", "KECHUANG_DATA")}
        home = {"PATH": f"{BIN}:/usr/bin:/bin", "HOME": str(folder), "KECHUANG_DATA": str(folder)}
        with log.open("ab") as out:
            self.process = subprocess.Popen(
                self.command, env=image | home | told, cwd=folder, stdin=subprocess.DEVNULL, stdout=out, stderr=out,
                start_new_session=True, preexec_fn=die_with_parent,
            )

    def answers(self) -> bool:
        """Whether every probe says yes."""
        assert self.process is not None
        assert self.process.poll() is None, f"{self.name} ended with {self.process.returncode}"
        asked = [self.spec[probe]["httpGet"] for probe in PROBES]
        return all(_says_yes(f"http://127.0.0.1:{self.ports[get['port']]}{get['path']}") for get in asked)


def _says_yes(address: str) -> bool:
    try:
        return 200 <= httpx.get(address, timeout=6, trust_env=False).status_code < 400
    except httpx.TransportError:
        return False


def environ_of(container: dict[str, Any], manifests: list[Manifest]) -> dict[str, str]:
    """As the kubelet puts it together: `envFrom` in order, then `env`."""
    told: dict[str, str] = {}
    for source in container.get("envFrom", []):
        ((reference, named),) = source.items()
        kind = {"configMapRef": "ConfigMap", "secretRef": "Secret"}[reference]
        there = any(each["metadata"]["name"] == named["name"] for each in of_kind(manifests, kind))
        if there or not named.get("optional"):
            told |= data_of(manifests, kind, named["name"])
    for each in container.get("env", []):
        if "value" in each:
            told[each["name"]] = each["value"]
        else:
            named = each["valueFrom"]["secretKeyRef"]
            told[each["name"]] = data_of(manifests, "Secret", named["name"])[named["key"]]
    return told


def data_of(manifests: list[Manifest], kind: str, name: str) -> dict[str, str]:
    (found,) = (each for each in of_kind(manifests, kind) if each["metadata"]["name"] == name)
    data: dict[str, str] = found["data"]
    return {key: base64.b64decode(value).decode() for key, value in data.items()} if kind == "Secret" else data


def image_environ() -> dict[str, str]:
    """`ENV` of the image."""
    return dict(word.split("=", 1) for name, argument in DOCKERFILE if name == "ENV" for word in argument.split())


def replace(value: str, replaced: dict[str, str]) -> str:
    """Addresses only; what is not one stays as it is."""
    for pattern, address in replaced.items():
        value = re.sub(pattern, address, value)
    return value


@pytest.fixture
def containers(mongo: Client, database_name: str) -> Iterator[list[Container]]:
    manifests = render(OVERLAYS / "dev")
    found = [Container(each, manifests) for each in of_kind(manifests, "Job", "Deployment")]
    yield found
    for each in found:
        if each.process is not None and each.process.poll() is None:
            each.process.kill()
            each.process.wait()


def addresses(containers: list[Container], mongo_uri: str, folder: Path) -> dict[str, str]:
    """Where in the cluster -> where here."""
    services = {each.name: each.ports["http"] for each in containers if "http" in each.ports}
    found = {rf"http://{name}(?=$|/)": f"http://127.0.0.1:{port}" for name, port in services.items()}
    return found | {r"^mongodb://mongodb\.mongodb/.*$": mongo_uri, r"^/issuer$": str(folder)}


def test_every_container_runs_as_the_manifests_say_until_every_probe_answers(
    containers: list[Container], mongo_uri: str, mongo: Client, database_name: str, tmp_path: Path
) -> None:
    replaced, log = addresses(containers, mongo_uri, tmp_path), tmp_path / "containers.log"
    for each in containers:
        each.environ["DB_PREFIX"] = database_name  # a database of this test's own on a server that others use
        each.environ.pop("KAFKA_BOOTSTRAP", None)  # the log beside the store
    job, *deployments = sorted(containers, key=lambda each: each.name != "migrate")
    job.start(replaced, tmp_path, log)
    assert job.process is not None
    assert job.process.wait(READY_S) == 0, log.read_text()
    try:
        for each in deployments:
            each.start(replaced, tmp_path, log)
        for each in deployments:
            wait_until(each.answers, READY_S, f"the probes of {each.name}")
        for each in deployments:
            assert each.process is not None
            each.process.terminate()
        assert {each.name: each.process.wait(STOP_S) for each in deployments if each.process} == {e.name: 0 for e in deployments}
        assert "Traceback" not in log.read_text()
    finally:
        for service in ("registry", "incentives", "metrics", "log"):
            mongo.drop_database(f"{database_name}_{service}")
