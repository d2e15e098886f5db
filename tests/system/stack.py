"""A real stack, started by `kechuang up` as a user would, for tests that go through HTTP and the command line."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import httpx

from deploy.local.data_dir import DataDir

Answer = TypeVar("Answer")
READY_S = 300
TOOL = [sys.executable, "-m", "deploy.local.cli"]


def wait_until(condition: Callable[[], Answer], deadline_s: float = 60.0, what: str = "") -> Answer:
    """The first truthy answer of `condition`; AssertionError when there is none before the deadline."""
    deadline = time.monotonic() + deadline_s
    while True:
        answer = condition()
        if answer:
            return answer
        assert time.monotonic() < deadline, f"not within {deadline_s} s: {what or condition}"
        time.sleep(0.05)


class Stack:
    """A running `kechuang up`, and what tests do with it."""

    def __init__(self, data: Path, *arguments: str, environ: dict[str, str] | None = None) -> None:
        self.data = DataDir(data)
        self._lines: list[str] = []
        words = [*TOOL, "up", "--data", str(data), "--port", "0", *arguments]
        inherited = {name: value for name, value in os.environ.items() if not name.startswith("KECHUANG_")}
        self.process = subprocess.Popen(
            words, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL, text=True,
            start_new_session=True, env=inherited | (environ or {}),
        )
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()
        wait_until(lambda: self._ready() or self.process.poll() is not None, READY_S, "ready")
        if not self._ready():
            self._reader.join(5)
            raise AssertionError(f"up ended with {self.process.returncode}:\n{self.output}")
        self.url = self._ready()
        self.http = httpx.Client(base_url=self.url, timeout=60, trust_env=False)
        self._tokens: dict[tuple[Any, ...], str] = {}

    def _read(self) -> None:
        assert self.process.stdout is not None
        with self.process.stdout as out:
            for line in out:
                self._lines.append(line.rstrip("\n"))

    def _ready(self) -> str:
        return next((line.removeprefix("ready ") for line in self._lines if line.startswith("ready ")), "")

    @property
    def output(self) -> str:
        """What `up` has printed."""
        return "\n".join(self._lines)

    def run(self, *words: str, check: bool = True, stdin: str | None = None) -> subprocess.CompletedProcess[str]:
        """Run `kechuang WORDS --data DIR`."""
        command = [*TOOL, *words, "--data", str(self.data.path)]
        done = subprocess.run(command, capture_output=True, text=True, input=stdin or "", check=False)
        assert not check or done.returncode == 0, f"{words} ended with {done.returncode}:\n{done.stdout}{done.stderr}"
        return done

    def token(self, *roles: str, subject: str | None = None, town: str | None = None, enterprise: str | None = None) -> str:
        """A bearer token; the same for the same words."""
        from deploy.local.client import mint

        key = (roles, subject, town, enterprise)
        if key not in self._tokens:
            self._tokens[key] = mint(self.data, roles, subject or "+".join(roles), town, enterprise)
        return self._tokens[key]

    def request(self, method: str, path: str, body: Any = None, *, token: str | None = None, **options: Any) -> httpx.Response:
        """One request; without `token` as a `data_feed`, with `token=""` as nobody."""
        bearer = self.token("data_feed") if token is None else token
        headers = ({"Authorization": f"Bearer {bearer}"} if bearer else {}) | options.pop("headers", {})
        if body is not None:
            options["json"] = body
        return self.http.request(method, path, headers=headers, **options)

    def post(self, path: str, body: Any, *, expect: int | None = 201, **options: Any) -> Any:
        """POST; the answer's JSON. `expect=None` takes any status."""
        return self._expected(self.request("POST", path, body, **options), expect)

    def get(self, path: str, *, expect: int | None = 200, **options: Any) -> Any:
        """GET; the answer's JSON."""
        options.setdefault("token", self.token("viewer", "auditor", "data_feed"))
        return self._expected(self.request("GET", path, **options), expect)

    def patch(self, path: str, body: Any, version: int, *, expect: int | None = 200, **options: Any) -> Any:
        """PATCH with `If-Match`."""
        headers = {"If-Match": f'"{version}"', "Content-Type": "application/merge-patch+json"}
        return self._expected(self.request("PATCH", path, body, headers=headers, **options), expect)

    def transition(self, path: str, version: int, action: str, *, expect: int | None = 200, **body: Any) -> Any:
        """POST a transition with `If-Match`; `token` may be among the keywords."""
        token = body.pop("token", None)
        headers = {"If-Match": f'"{version}"'}
        answer = self.request("POST", f"{path}/transitions", {"action": action, **body}, token=token, headers=headers)
        return self._expected(answer, expect)

    @staticmethod
    def _expected(answer: httpx.Response, expect: int | None) -> Any:
        assert expect is None or answer.status_code == expect, f"{answer.request.url}: {answer.status_code} {answer.text}"
        return answer.json() if answer.content else None

    def clock_set(self, instant: str) -> None:
        """Move the demo clock; returns when a crossed midnight is published."""
        self.run("clock", "set", instant)

    def settle(self) -> None:
        """Return when everything written so far has been published."""
        from deploy.local.readiness import await_settled

        await_settled(self.data.running())

    def indicator(self, identifier: str, **query: str) -> dict[str, Any]:
        """One indicator as the metrics service reads it now."""
        found = self.get(f"/metrics/v1/indicators/{identifier}", params=query)
        assert isinstance(found, dict)
        return found

    def pids(self, name: str) -> list[int]:
        """Processes of this stack whose command line ends with `name` ("relay registry") or whose program is `name`."""
        found = processes_of(self.data.path).items()
        return [pid for pid, words in found if " ".join(words).endswith(name) or Path(words[0]).name == name]

    def kill(self, name: str) -> None:
        """`kill -9` of one of the stack's processes."""
        found = self.pids(name)
        assert found, f"no process {name}"
        for pid in found:
            os.kill(pid, signal.SIGKILL)

    def stop(self, number: int = signal.SIGINT) -> int:
        """Stop it like Ctrl-C would; the exit code."""
        if hasattr(self, "http"):
            self.http.close()
        if self.process.poll() is None:
            self.process.send_signal(number)
        try:
            return self.process.wait(60)
        except subprocess.TimeoutExpired:
            self.process.kill()
            raise
        finally:
            self._reader.join(5)


def processes_of(data: Path) -> dict[int, list[str]]:
    """Every process on this machine that belongs to the stack of `data`: pid and command line."""
    found: dict[int, list[str]] = {}
    for folder in Path("/proc").iterdir():
        if not folder.name.isdigit():
            continue
        try:
            words = (folder / "cmdline").read_bytes().rstrip(b"\0").decode(errors="replace").split("\0")
            environ = (folder / "environ").read_bytes().decode(errors="replace")
            state = (folder / "stat").read_text().rsplit(")", 1)[1].split()[0]
        except (OSError, IndexError):
            continue
        if state != "Z" and (any(word.startswith(str(data)) for word in words) or f"READY_FILE={data}" in environ):
            found[int(folder.name)] = words
    return found
