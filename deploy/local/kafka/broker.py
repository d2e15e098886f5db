"""A real Apache Kafka on this machine: KRaft in combined mode, one node or several, for developers and tests.

Every node dies with the process that made it. Loopback only.
"""

from __future__ import annotations

import base64
import shutil
import signal
import socket
import subprocess
import time
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from deploy.local.kafka.jars import class_path
from deploy.local.mongod import die_with_parent, free_port
from shared.errors import ConfigError

START_S = 90
STOP_S = 30
HEAP = "-Xmx320m"
JVM = (
    "-Xms64m", HEAP, "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-XX:-UsePerfData",
    "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn",
)


@dataclass
class Node:
    """One broker that is a controller too."""

    number: int
    directory: Path
    ports: dict[str, int]  # by listener name
    process: subprocess.Popen[bytes] | None = field(default=None, init=False)

    @property
    def running(self) -> bool:
        """Whether its process lives."""
        return self.process is not None and self.process.poll() is None

    def log_tail(self) -> str:
        """The end of what it said."""
        path = self.directory / "broker.log"
        return path.read_text(errors="replace")[-2_000:].strip() if path.exists() else ""


class Kafka:
    """A running cluster; `bootstrap` connects to it. Use as a context manager or call `stop()`.

    `listeners` maps further listener names to security protocols (`{"SECURE": "SASL_SSL"}`), `settings` adds broker
    properties, `scram` gives users their passwords.
    """

    def __init__(
        self, directory: Path, nodes: int = 1, port: int | None = None, *, listeners: Mapping[str, str] | None = None,
        settings: Mapping[str, str] | None = None, scram: Mapping[str, str] | None = None,
    ) -> None:
        self.directory = directory
        self.listeners = {"PLAINTEXT": "PLAINTEXT", **(listeners or {})}
        self.settings = dict(settings or {})
        self.scram = dict(scram or {})
        self._jars = class_path()
        names = [*self.listeners, "CONTROLLER"]
        self.nodes = [Node(n + 1, directory / f"node-{n + 1}", {name: free_port() for name in names}) for n in range(nodes)]
        if port is not None:
            self.nodes[0].ports["PLAINTEXT"] = port
        for node in self.nodes:
            self._format(node)
        for node in self.nodes:
            self.start(node)
        try:
            self.await_ready()
        except BaseException:
            self.stop()
            raise

    @property
    def bootstrap(self) -> str:
        """HOST:PORT of every node, separated by commas."""
        return self.bootstrap_of("PLAINTEXT")

    def bootstrap_of(self, listener: str) -> str:
        """The same for another listener."""
        return ",".join(f"localhost:{node.ports[listener]}" for node in self.nodes)

    def start(self, node: Node) -> None:
        """Start a node, for the first time or again."""
        command = ["java", *JVM, "-cp", self._jars, "kafka.Kafka", str(node.directory / "server.properties")]
        with open(node.directory / "broker.log", "ab") as out:
            node.process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=out, stderr=out, start_new_session=True, preexec_fn=die_with_parent
            )

    def kill(self, node: Node) -> None:
        """End a node as a power cut would."""
        self.send(node, signal.SIGKILL)
        if node.process is not None:
            node.process.wait()

    def send(self, node: Node, number: int) -> None:
        """Send a signal (SIGSTOP, SIGCONT, …) to a node."""
        if node.running and node.process is not None:
            node.process.send_signal(number)

    def wipe(self, node: Node) -> None:
        """Format a stopped node anew: its disk is lost."""
        self._format(node, anew=True)

    def await_ready(self, timeout_s: float = START_S) -> None:
        """Return when every live node serves its clients. Raises ConfigError with a node's last words when one does not."""
        deadline = time.monotonic() + timeout_s
        waiting = [node for node in self.nodes if node.process is not None]
        while waiting:
            node = waiting[0]
            if not node.running:
                raise ConfigError(f"Kafka node {node.number} ended: {node.log_tail()}")
            if time.monotonic() > deadline:
                raise ConfigError(f"Kafka node {node.number} is not ready after {timeout_s:g} s: {node.log_tail()}")
            if answers(node.ports["PLAINTEXT"]):
                waiting.pop(0)
            else:
                time.sleep(0.1)

    def stop(self) -> None:
        """Stop all nodes in good order and wait."""
        for node in self.nodes:
            self.send(node, signal.SIGCONT)
            self.send(node, signal.SIGTERM)
        deadline = time.monotonic() + STOP_S
        for node in self.nodes:
            if node.process is not None:
                try:
                    node.process.wait(max(0.0, deadline - time.monotonic()))
                except subprocess.TimeoutExpired:
                    node.process.kill()
                    node.process.wait()

    def _format(self, node: Node, anew: bool = False) -> None:
        """Write a node's properties and, on an empty folder, format its storage."""
        node.directory.mkdir(parents=True, exist_ok=True)
        properties = node.directory / "server.properties"
        properties.write_text("".join(f"{name}={value}\n" for name, value in self._properties(node).items()))
        data = node.directory / "data"
        if anew:
            shutil.rmtree(data, ignore_errors=True)
        if (data / "meta.properties").exists():
            return
        users = [f"SCRAM-SHA-512=[name={user},password={password}]" for user, password in self.scram.items()]
        added = [word for user in users for word in ("--add-scram", user)]
        command = ["java", *JVM, "-cp", self._jars, "kafka.tools.StorageTool", "format", "-t", self._cluster_id()]
        done = subprocess.run(
            [*command, "-c", str(properties), *added], stdin=subprocess.DEVNULL, capture_output=True, check=False
        )
        if done.returncode:
            said = (done.stderr + done.stdout).decode(errors="replace").strip()
            raise ConfigError(f"Kafka's storage cannot be formatted: {said[-400:]}")

    def _cluster_id(self) -> str:
        path = self.directory / "cluster.id"
        if not path.exists():
            path.write_text(base64.urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=").replace("-", "A", 1))
        return path.read_text()

    def _properties(self, node: Node) -> dict[str, str]:
        replicas = str(min(3, len(self.nodes)))
        voters = ",".join(f"{each.number}@localhost:{each.ports['CONTROLLER']}" for each in self.nodes)
        protocols = {**self.listeners, "CONTROLLER": "PLAINTEXT"}
        return {
            "process.roles": "broker,controller",
            "node.id": str(node.number),
            "controller.quorum.voters": voters,
            "controller.listener.names": "CONTROLLER",
            "listeners": ",".join(f"{name}://localhost:{port}" for name, port in node.ports.items()),
            "advertised.listeners": ",".join(f"{name}://localhost:{node.ports[name]}" for name in self.listeners),
            "listener.security.protocol.map": ",".join(f"{name}:{protocol}" for name, protocol in protocols.items()),
            "inter.broker.listener.name": "PLAINTEXT",
            "log.dirs": str(node.directory / "data"),
            "auto.create.topics.enable": "false",
            "offsets.topic.num.partitions": "4",
            "offsets.topic.replication.factor": replicas,
            "transaction.state.log.num.partitions": "1",
            "transaction.state.log.replication.factor": replicas,
            "share.coordinator.state.topic.num.partitions": "1",
            "share.coordinator.state.topic.replication.factor": replicas,
            "default.replication.factor": replicas,
            "min.insync.replicas": "2" if len(self.nodes) > 2 else "1",
            "group.initial.rebalance.delay.ms": "0",
            "group.min.session.timeout.ms": "1000",
            "num.network.threads": "2",
            "num.io.threads": "2",
            "log.cleaner.dedupe.buffer.size": "2097152",
            "controlled.shutdown.enable": "true" if len(self.nodes) > 1 else "false",
            **self.settings,
        }

    def __enter__(self) -> Kafka:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()


def answers(port: int) -> bool:
    """Whether a broker on this port knows its cluster: it has a controller and is registered itself."""
    from kafka import KafkaAdminClient
    from kafka.errors import KafkaError

    with socket.socket() as probe:
        probe.settimeout(1)
        if probe.connect_ex(("127.0.0.1", port)):
            return False
    try:
        admin = KafkaAdminClient(bootstrap_servers=f"localhost:{port}", request_timeout_ms=5_000, bootstrap_timeout_ms=5_000)
        try:
            cluster = admin.describe_cluster()
            return any(broker["port"] == port for broker in _brokers(cluster))
        finally:
            admin.close()
    except (KafkaError, OSError):
        return False


def _brokers(cluster: Mapping[str, object]) -> Sequence[Mapping[str, object]]:
    found = cluster.get("brokers")
    return found if isinstance(found, list) else []
