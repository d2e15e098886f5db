"""How a process is told to stop."""

import signal
from collections.abc import Iterator

import pytest

from shared.process import stopped_by_signal

NUMBERS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)


@pytest.fixture(autouse=True)
def as_before() -> Iterator[None]:
    before = {number: signal.getsignal(number) for number in NUMBERS}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.mark.parametrize("number", NUMBERS)
def test_a_signal_that_comes_inside_the_lock_of_the_event_is_taken_too(number: int) -> None:
    stop = stopped_by_signal(signal.SIGHUP)
    with stop._cond:  # type: ignore[attr-defined]  # where wait() stands for some microseconds of every turn
        signal.raise_signal(number)
        assert not stop.is_set()
    assert stop.wait(60)
