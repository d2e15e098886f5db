"""Logs are JSON lines without personal data; figures are made once."""

from __future__ import annotations

import io
import json
import logging
from collections.abc import Iterator
from typing import Any

import pytest
import structlog

from shared.telemetry import HIDDEN, configure_logging, counter, exposition, gauge, hide_personal, histogram


@pytest.fixture
def out() -> Iterator[io.StringIO]:
    root = logging.getLogger()
    before, level = root.handlers[:], root.level
    stream = io.StringIO()
    configure_logging("test", stream=stream)
    yield stream
    root.handlers[:] = before
    root.setLevel(level)
    structlog.reset_defaults()


def lines(out: io.StringIO) -> list[dict[str, Any]]:
    return [json.loads(line) for line in out.getvalue().splitlines()]


def test_an_event_is_one_json_line(out: io.StringIO) -> None:
    structlog.get_logger("a").info("published", service="registry", count=3)
    (line,) = lines(out)
    assert line["timestamp"]
    assert {k: line[k] for k in ("event", "service", "count", "level", "process")} == {
        "event": "published", "service": "registry", "count": 3, "level": "info", "process": "test",
    }


def test_the_standard_library_s_loggers_speak_the_same(out: io.StringIO) -> None:
    logging.getLogger("gunicorn.error").warning("worker %d with %s", 7, "13800138000")
    (line,) = lines(out)
    assert (line["event"], line["level"], line["process"]) == (f"worker 7 with {HIDDEN}", "warning", "test")


def test_a_trace_is_kept_and_cleaned(out: io.StringIO) -> None:
    def fail() -> None:
        raise ValueError("no such person: 11010519491231002X")

    try:
        fail()
    except ValueError:
        structlog.get_logger().exception("failed")
    (line,) = lines(out)
    assert "ValueError" in line["exception"]
    assert "11010519491231002X" not in out.getvalue()


def test_below_the_level_nothing_is_said(out: io.StringIO) -> None:
    structlog.get_logger().debug("not this")
    assert lines(out) == []


@pytest.mark.parametrize("number", ["11010519491231002X", "13800138000", "440301199001011234"])
def test_numbers_of_persons_are_hidden_wherever_they_stand(number: str) -> None:
    event = hide_personal(None, "", {"event": f"see {number}.", "deep": {"list": [f"x={number}"]}, "person": {"name": "某"}})
    assert number not in json.dumps(event)
    assert event["person"] == HIDDEN


@pytest.mark.parametrize("text", ["91441502MAQQQQ019U", "01J8ZQ4Y7K3M5N6P7Q8R9S0T1V", "ZL202410000001.5", "GR202344000001", "1764000000000"])
def test_identifiers_of_things_stay(text: str) -> None:
    assert hide_personal(None, "", {"event": text})["event"] == text


def test_names_of_personal_fields_hide_their_values_in_depth() -> None:
    event = hide_personal(None, "", {"event": "", "row": {"contact_phone": "0660-1234567", "uscc": "x"}, "Token": "t"})
    assert (event["row"], event["Token"]) == ({"contact_phone": HIDDEN, "uscc": "x"}, HIDDEN)


def test_a_structure_without_an_end_is_cut() -> None:
    endless: list[Any] = []
    endless.append(endless)
    assert HIDDEN in json.dumps(hide_personal(None, "", {"event": endless}))


def test_a_figure_of_one_name_is_one_object() -> None:
    for make in (counter, gauge, histogram):
        name = f"test_{make.__name__}"
        assert make(name, "text", ["a"]) is make(name, "text", ["a"])
    counter("test_counter", "text", ["a"]).labels("x").inc(2)
    assert b'test_counter_total{a="x"} 2.0' in exposition()
