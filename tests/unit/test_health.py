"""What a probe is told about a process without a face."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest

from deploy.local.mongod import free_port
from shared.health import LIVE_S, READY_S, Pulse, serve_health
from shared.telemetry import counter

Ask = Callable[[str], httpx.Response]


class Aged(Pulse):
    """A loop that turned so many seconds ago."""

    age = 0.0

    def silent_s(self) -> float:
        return super().silent_s() + self.age


@pytest.fixture
def world() -> Iterator[tuple[Aged, list[str], Ask]]:
    pulse, wrong, port = Aged(), list[str](), free_port()
    server = serve_health(port, [lambda: wrong[0] if wrong else None], pulse)
    assert server is not None
    yield pulse, wrong, lambda path: httpx.get(f"http://127.0.0.1:{port}{path}", trust_env=False)
    server.shutdown()
    server.server_close()


def said(answer: httpx.Response) -> tuple[int, Any]:
    return answer.status_code, answer.json()


def test_a_turning_loop_whose_checks_pass_is_live_and_ready(world: tuple[Aged, list[str], Ask]) -> None:
    _, _, ask = world
    assert said(ask("/-/live")) == (200, {"live": True, "waiting_for": []})
    assert said(ask("/-/ready")) == (200, {"ready": True, "waiting_for": []})


def test_what_a_check_waits_for_makes_it_not_ready_but_leaves_it_alive(world: tuple[Aged, list[str], Ask]) -> None:
    _, wrong, ask = world
    wrong.append("database: AutoReconnect")
    assert said(ask("/-/ready")) == (503, {"ready": False, "waiting_for": ["database: AutoReconnect"]})
    assert ask("/-/live").status_code == 200


@pytest.mark.parametrize(("age", "live"), [(READY_S, 200), (LIVE_S, 503)])
def test_a_silent_loop_is_first_not_ready_then_dead_until_it_beats(
    world: tuple[Aged, list[str], Ask], age: float, live: int
) -> None:
    pulse, _, ask = world
    pulse.age = age
    assert ask("/-/ready").status_code == 503
    assert ask("/-/live").status_code == live
    pulse.age = 0.0
    pulse.beat()
    assert ask("/-/ready").status_code == 200


def test_the_figures_are_there_too_and_nothing_else(world: tuple[Aged, list[str], Ask]) -> None:
    _, _, ask = world
    counter("kechuang_test_probes_total", "Made by a test.").inc()
    assert "kechuang_test_probes_total 1.0" in ask("/-/metrics").text
    assert ask("/metrics").text == ask("/-/metrics").text
    assert ask("/-/other").status_code == 404


def test_port_zero_means_none() -> None:
    assert serve_health(0) is None
