"""The supervisor on small programs: what dies comes back, what is stopped leaves nothing behind."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from deploy.local.supervisor import Child, Supervisor
from tests.system.stack import wait_until

SLEEP = "import signal; signal.pause()"
DEAF = "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('deaf', flush=True)\nwhile True: signal.pause()"
PARENT = f"import subprocess, sys; print(subprocess.Popen([sys.executable, '-c', {SLEEP!r}]).pid, flush=True); {SLEEP}"


@pytest.fixture
def said() -> list[str]:
    return []


@pytest.fixture
def supervisor(said: list[str]) -> Iterator[Supervisor]:
    supervisor = Supervisor(said.append)
    yield supervisor
    supervisor.stop()


def child(folder: Path, name: str, program: str, *, rank: int = 1) -> Child:
    return Child(name, [sys.executable, "-c", program], os.environ, folder / f"{name}.log", rank=rank)


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except OSError:
        return False


def pid_of(each: Child) -> int:
    assert each.process is not None
    return each.process.pid


def test_a_killed_child_comes_back(tmp_path: Path, supervisor: Supervisor, said: list[str]) -> None:
    sleeper = child(tmp_path, "sleeper", SLEEP)
    supervisor.start(sleeper)
    first = pid_of(sleeper)
    os.kill(first, signal.SIGKILL)

    def back() -> bool:
        supervisor.tend()
        return sleeper.process is not None and sleeper.process.pid != first and sleeper.process.poll() is None

    wait_until(back)
    assert said == [f"sleeper was ended by signal 9; starting it again (log: {tmp_path / 'sleeper.log'})"]


def test_a_child_that_never_starts_is_named_with_its_last_words(tmp_path: Path, supervisor: Supervisor) -> None:
    supervisor.start(child(tmp_path, "broken", "raise SystemExit('no such table')"))

    def failing() -> Child | None:
        supervisor.tend()
        return supervisor.failing()

    broken = wait_until(failing)
    assert broken.name == "broken"
    assert "no such table" in broken.last_words()


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("deploy.local.supervisor.STOP_S", 0.3)


@pytest.mark.usefixtures("impatient")
def test_stop_ends_the_deaf_and_the_grandchildren(tmp_path: Path, supervisor: Supervisor) -> None:
    deaf, parent = child(tmp_path, "deaf", DEAF), child(tmp_path, "parent", PARENT, rank=2)
    for each in (deaf, parent):
        supervisor.start(each)
    wait_until(lambda: "deaf" in deaf.last_words() and parent.last_words().strip())
    pids = [pid_of(deaf), pid_of(parent), int(parent.last_words())]
    supervisor.stop()
    wait_until(lambda: not any(alive(pid) for pid in pids))


def test_children_die_with_a_killed_supervisor(tmp_path: Path) -> None:
    program = (
        "import sys, os, signal; from pathlib import Path; from deploy.local.supervisor import Child, Supervisor\n"
        f"s = Supervisor(print); log = Path({str(tmp_path / 'c.log')!r})\n"
        f"c = Child('c', [sys.executable, '-c', {SLEEP!r}], os.environ, log)\n"
        "s.start(c); print(c.process.pid, flush=True); signal.pause()"
    )
    with subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        pid = int(parent.stdout.readline())
        assert alive(pid)
        parent.kill()
    wait_until(lambda: not alive(pid))
