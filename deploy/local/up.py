"""`kechuang up`: the whole stack on one machine, until it is told to stop."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

import click

from deploy.local import readiness, store
from deploy.local.data_dir import DataDir, Running, UsageError
from deploy.local.environment import environment
from deploy.local.mongod import die_with_parent
from deploy.local.supervisor import Child, Supervisor
from shared.clock import DemoClock, SystemClock, parse_instant
from shared.errors import ConfigError
from shared.process import stopped_by_signal

DEMO_START = "2026-06-30T00:00:00+08:00"
READY_S = 180
TICK_S = 0.1
CLOCK_AHEAD = timedelta(seconds=2)  # what the saved instant runs ahead, so that a hard stop never turns time back


@dataclass(frozen=True)
class Options:
    """What the command line asked for."""

    data: DataDir
    port: int
    demo: bool
    clock: datetime | None
    mongo: str | None
    kafka: str | None
    once: bool
    board: bool


class Stopped(Exception):
    """The user asked to stop before the stack was ready."""


def say(text: str) -> None:
    """Tell the user something about the stack itself, beside its output."""
    click.echo(text, err=True)


def run(options: Options) -> int:
    """Run the stack; the exit code. Raises UsageError and ConfigError with one clear sentence."""
    options.data.acquire()
    default = parse_instant(DEMO_START) if options.demo else None
    with _listen(options.port) as listener:
        clock = options.data.start_clock(options.clock, default)
        stop = stopped_by_signal(signal.SIGHUP)
        stack = Stack(options, listener, clock, stop)
        try:
            stack.start()
            return stack.watch()
        except Stopped:
            return 0
        finally:
            stack.close()


@contextmanager
def _listen(port: int) -> Iterator[socket.socket]:
    """The one listening socket: gunicorn inherits it, so that a restarted web process refuses nobody."""
    with socket.socket() as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind(("127.0.0.1", port))
            listener.listen(2048)
        except (OSError, OverflowError) as error:
            why = "is used by another program" if getattr(error, "errno", None) == 98 else f"cannot be used ({error})"
            raise UsageError(f"port {port} {why}: choose another with --port") from None
        yield listener


class Stack:
    """The processes of one `up`, from start to stop."""

    def __init__(
        self, options: Options, listener: socket.socket, clock: DemoClock | None, stop: threading.Event
    ) -> None:
        self.options, self.data, self.listener, self.clock, self.stop = options, options.data, listener, clock, stop
        self.url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        self.supervisor = Supervisor(say)

    def start(self) -> None:
        """Start everything and return when every service is ready and the demo loaded."""
        if self.clock is not None:
            threading.Thread(target=self._save_clock, name="clock", daemon=True).start()
        mongo_uri, port = self._store()
        readiness.check_mongo(mongo_uri)
        environ = environment(self.data, self.url, mongo_uri, self.options.kafka)
        fd = self.listener.fileno()
        self._child("web", web(fd), environ, rank=2, pass_fds=(fd,))
        for name, words in BACKGROUND.items():
            self._child(name, [*TOOL, *words], environ)
        self._await(lambda: self._starting() or readiness.not_ready(self.url))
        today = (self.clock or SystemClock()).now().date()
        readiness.await_published(mongo_uri, today, self._proceed)
        self.data.announce(Running(self.url, mongo_uri, port, os.getpid(), self.options.kafka))
        if self.options.demo and not self.data.demo_marker.exists():
            self._run("demo", "load")
        click.echo(f"ready {self.url}")
        if self.options.board or self.options.once:
            self._run("board", "--once")
            click.echo(self.url if self.options.once else f"{self.url} is open; Ctrl-C stops it")

    def watch(self) -> int:
        """Keep the stack alive until told to stop."""
        while not self.options.once and not self.stop.wait(TICK_S):
            self.supervisor.tend()
        return 0

    def close(self) -> None:
        """Stop everything, the store last."""
        self.stop.set()
        self.supervisor.stop()
        if self.clock is not None:
            self.data.remember(self.clock.now())

    def _store(self) -> tuple[str, int | None]:
        """The store's address, and its port if it is our own."""
        if self.options.mongo:
            return self.options.mongo, None
        previous = self.data.previous()
        port = store.choose_port(previous.mongo_port if previous else None)
        self._child("store", [*TOOL, "store", "--data", str(self.data.path), "--port", str(port)], os.environ, rank=0)
        self._await(self._starting)
        return store.uri(port), port

    def _child(
        self, name: str, command: list[str], environ: Mapping[str, str], rank: int = 1, pass_fds: tuple[int, ...] = ()
    ) -> None:
        mark = self.data.run / name
        mark.unlink(missing_ok=True)
        told = {**environ, "READY_FILE": str(mark)}
        self.supervisor.start(Child(name, command, told, self.data.logs / f"{name}.log", pass_fds, rank))

    def _starting(self) -> list[str]:
        """The processes that have not said they are at work; the web says so over HTTP."""
        return [child.name for child in self.supervisor.children if child.rank < 2 and not (self.data.run / child.name).exists()]

    def _await(self, waiting_for: Callable[[], list[str]]) -> None:
        """Return when nothing is waited for. Raises Stopped, or ConfigError naming what does not come."""
        deadline = time.monotonic() + READY_S
        while names := waiting_for():
            self._proceed()
            if (failing := self.supervisor.failing()) is not None:
                raise ConfigError(f"{failing.name} does not start: {failing.last_words()} (log: {failing.log})")
            if time.monotonic() > deadline:
                raise ConfigError(f"not ready within {READY_S} s: {', '.join(names)}; see {self.data.logs}")
            time.sleep(TICK_S)

    def _proceed(self) -> bool:
        """Tend the stack. Raises Stopped when the user asked to stop."""
        if self.stop.is_set():
            raise Stopped
        self.supervisor.tend()
        return True

    def _run(self, *arguments: str) -> None:
        """Run another command of this tool against the stack, tending the stack meanwhile."""
        command = [*TOOL, *arguments, "--data", str(self.data.path)]
        process = subprocess.Popen(command, start_new_session=True, preexec_fn=die_with_parent)
        try:
            while process.poll() is None:
                self._proceed()
                time.sleep(TICK_S)
        finally:
            with suppress(ProcessLookupError):
                process.kill()
            process.wait()
        if process.returncode:
            raise ConfigError(f"`kechuang {' '.join(arguments)}` failed with {process.returncode}")

    def _save_clock(self) -> None:
        assert self.clock is not None
        while not self.stop.wait(1.0):
            self.data.remember(self.clock.now() + CLOCK_AHEAD)


WEB = "deploy.local.wsgi:create_app()"
TOOL = [sys.executable, "-m", "deploy.local.cli"]
BACKGROUND = {
    "relay-registry": ["relay", "registry"],
    "relay-incentives": ["relay", "incentives"],
    "worker-registry": ["worker", "registry"],
    "worker-incentives": ["worker", "incentives"],
    "follow-incentives": ["follow", "incentives"],
    "ingest": ["ingest"],
    "publish": ["publish"],
}


def web(listener: int) -> list[str]:
    """The command of the web process, on an inherited socket."""
    configuration = str(Path(__file__).with_name("gunicorn_conf.py"))
    return [sys.executable, "-m", "gunicorn", "-c", configuration, "-b", f"fd://{listener}", WEB]
