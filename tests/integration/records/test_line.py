"""Waiting in line costs no request its time at the store, and a store that is away is told to all who wait."""

from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from pymongo.errors import PyMongoError

from shared.errors import Unavailable
from shared.mongo import Client, within
from shared.records.line import Line


def test_the_time_limit_begins_anew_with_the_turn(mongo: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    real = time.monotonic
    with within(30):
        mongo.admin.command("ping")
        with monkeypatch.context() as later:
            later.setattr("time.monotonic", lambda: real() + 31)
            with pytest.raises(PyMongoError) as late:
                mongo.admin.command("ping")
            assert late.value.timeout
            with Line().turn():
                mongo.admin.command("ping")
    mongo.admin.command("ping")


def test_whoever_waits_behind_a_store_that_is_away_is_told_at_once_and_the_next_may_try() -> None:
    line, inside, go_on = Line(), threading.Event(), threading.Event()
    tried: list[str] = []

    def first() -> None:
        with line.turn():
            inside.set()
            go_on.wait(30)
            raise Unavailable("away")

    def behind(_: int) -> None:
        with line.turn():
            tried.append("behind")

    with ThreadPoolExecutor(8) as pool:
        head = pool.submit(first)
        inside.wait(30)
        waiting = [pool.submit(behind, n) for n in range(5)]
        while len(line.waiting) < len(waiting):
            pass
        go_on.set()
        assert isinstance(head.exception(30), Unavailable)
        assert [type(each.exception(30)) for each in waiting] == [Unavailable] * 5
    assert tried == []
    behind(0)
    assert tried == ["behind"]
