"""`kill -9` of ingest and of each relay in the middle of a load: nothing lost, nothing doubled."""

import subprocess
from collections.abc import Callable

import pytest

from tests.system.stack import TOOL, Stack, wait_until

VICTIMS = ["ingest", "relay registry", "relay incentives", "publish"]
ROUNDS = 2


@pytest.fixture(scope="module")
def loaded(stack: Callable[..., Stack]) -> Stack:
    running = stack(clock="2026-06-30T00:00:00+08:00")
    command = [*TOOL, "demo", "load", "--data", str(running.data.path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as loading:
        wait_until(lambda: running.get("/metrics/v1/indicators/hnte_count")["value"], what="the first certificates")
        amid = 0
        for victim in VICTIMS * ROUNDS:
            wait_until(lambda name=victim: running.pids(name), what=f"{victim} again")
            running.kill(victim)
            amid += loading.poll() is None
        output = loading.stdout.read() if loading.stdout else ""
    assert loading.returncode == 0, output
    assert amid >= len(VICTIMS), "the load was over too soon"
    return running


def test_a_recount_finds_no_difference(loaded: Stack) -> None:
    said = loaded.run("reconcile").stdout
    assert said.startswith("0 differences ("), said


def test_a_rebuild_from_the_log_and_from_the_stores_changes_nothing(loaded: Stack) -> None:
    def values() -> dict[str, object]:
        return {item["id"]: (item["value"], item["numerator"], item["denominator"]) for item in loaded.get("/metrics/v1/indicators")["items"]}

    before = values()
    assert before["hnte_count"] == (38, 38, None)
    for origin in ("log", "stores"):
        loaded.run("rebuild", "--from", origin)
        loaded.settle()
        assert values() == before
        assert loaded.run("reconcile").stdout.startswith("0 differences (")
