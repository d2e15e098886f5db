"""Keeps the processes of one stack alive: starts them in order, starts again what died, stops them in reverse.

Every child gets a session of its own, so that a Ctrl-C at the terminal reaches only the supervisor, and a kernel
request to be killed when the supervisor dies, however it dies. Start children from the main thread only: that
request follows the thread which made the child.
"""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from deploy.local.mongod import die_with_parent

FIRST_WAIT_S = 0.1
LONGEST_WAIT_S = 5.0
HEALTHY_S = 10.0  # a child that ran this long starts again without a wait
STOP_S = 10.0


@dataclass
class Child:
    """One process: what to run, where its output goes, and how it has fared."""

    name: str
    command: Sequence[str]
    environ: Mapping[str, str]
    log: Path
    pass_fds: tuple[int, ...] = ()
    rank: int = 1  # stopped in falling order: what takes requests first, what all others need last
    process: subprocess.Popen[bytes] | None = field(default=None, init=False)
    started: float = field(default=0.0, init=False)
    due: float = field(default=0.0, init=False)
    wait: float = field(default=FIRST_WAIT_S, init=False)
    deaths: int = field(default=0, init=False)

    def start(self) -> None:
        """Run it, its output appended to the log."""
        with open(self.log, "ab") as out:
            self.process = subprocess.Popen(
                self.command, env=dict(self.environ), stdin=subprocess.DEVNULL, stdout=out, stderr=out,
                start_new_session=True, preexec_fn=die_with_parent, pass_fds=self.pass_fds,
            )
        self.started = time.monotonic()

    def signal(self, number: int) -> None:
        """Send a signal to the process."""
        if self.process is not None and self.process.poll() is None:
            self.process.send_signal(number)

    def end_group(self) -> None:
        """Kill whatever is left of its session."""
        if self.process is not None:
            with suppress(ProcessLookupError, PermissionError):
                os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()

    def last_words(self) -> str:
        """The last line of its log."""
        with suppress(OSError), open(self.log, "rb") as file:
            file.seek(max(0, self.log.stat().st_size - 8192))
            lines = file.read().decode(errors="replace").split("\n")
            return next((line for line in reversed(lines) if line.strip()), "")
        return ""


class Supervisor:
    """The children of one stack."""

    def __init__(self, say: Callable[[str], None]) -> None:
        self.children: list[Child] = []
        self._say = say

    def start(self, child: Child) -> None:
        """Start a child and keep it alive from now on."""
        self.children.append(child)
        child.start()

    def tend(self) -> None:
        """Start again what died; call it often."""
        now = time.monotonic()
        for child in self.children:
            if child.process is not None and child.process.poll() is not None:
                self._bury(child, now)
            if child.process is None and now >= child.due:
                child.start()

    def _bury(self, child: Child, now: float) -> None:
        assert child.process is not None
        code = child.process.returncode
        child.end_group()
        child.process = None
        child.deaths += 1
        child.wait = FIRST_WAIT_S if now - child.started >= HEALTHY_S else min(child.wait * 2, LONGEST_WAIT_S)
        child.due = now + child.wait
        how = f"was ended by signal {-code}" if code < 0 else f"ended with {code}"
        self._say(f"{child.name} {how}; starting it again (log: {child.log})")

    def failing(self, deaths: int = 4) -> Child | None:
        """A child that keeps dying right after its start."""
        return next((child for child in self.children if child.deaths >= deaths), None)

    def stop(self) -> None:
        """Stop all children, rank by rank; kill what does not end in time."""
        for rank in sorted({child.rank for child in self.children}, reverse=True):
            group = [child for child in self.children if child.rank == rank]
            for child in group:
                child.signal(signal.SIGTERM)
            deadline = time.monotonic() + STOP_S
            for child in group:
                if child.process is not None:
                    with suppress(subprocess.TimeoutExpired):
                        child.process.wait(max(0.0, deadline - time.monotonic()))
                    child.end_group()
        self.children.clear()
