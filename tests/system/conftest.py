"""Fixtures of the system tests: stacks started by `kechuang up`, one for each set of arguments and module."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.system.stack import Stack

StartStack = Callable[..., Stack]


@pytest.fixture(scope="session")
def demo_data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a stack that has loaded the demo district and has stopped: whoever wants the demo starts a copy."""
    data = Path(tmp_path_factory.mktemp("demo")) / "data"
    loaded = Stack(data, "--demo")
    loaded.settle()
    loaded.stop()
    return data


@pytest.fixture(scope="module")
def stack(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[StartStack]:
    """`stack(clock=…, demo=…, environ=…)` is a running stack, the same one for the same words within a module."""
    started: dict[str, Stack] = {}

    def start(
        *, clock: str | None = None, demo: bool = False, kafka: str | None = None, environ: dict[str, str] | None = None
    ) -> Stack:
        words = [*(["--clock", clock] if clock else []), *(["--demo"] if demo else []), *(["--kafka", kafka] if kafka else [])]
        key = repr((words, environ))
        if key not in started:
            data = Path(tmp_path_factory.mktemp("stack")) / "data"
            if demo and not kafka:
                shutil.copytree(request.getfixturevalue("demo_data"), data)
            started[key] = Stack(data, *words, environ=environ)
        return started[key]

    yield start
    for each in started.values():
        each.stop()
