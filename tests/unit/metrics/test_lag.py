"""Lag by partition, in seconds of the machine's clock."""

from __future__ import annotations

from services.metrics.lag import SAMPLES, LagMeter
from services.metrics.store.positions import Position

TOPIC = "t"


def at(*offsets: int) -> dict[int, Position]:
    return {p: Position(p, 1, {TOPIC: offset}) for p, offset in enumerate(offsets)}


def test_each_partition_lags_by_its_own_first_unfolded_entry() -> None:
    meter = LagMeter()
    assert meter.measure(0.0, {TOPIC: {0: 1, 1: 1}}, at(0, 0)) == {0: 0.0, 1: 0.0}
    assert meter.measure(10.0, {TOPIC: {0: 2, 1: 1}}, at(0, 0)) == {0: 0.0, 1: 0.0}
    assert meter.measure(15.0, {TOPIC: {0: 3, 1: 2}}, at(0, 0)) == {0: 5.0, 1: 0.0}
    assert meter.measure(20.0, {TOPIC: {0: 3, 1: 2}}, at(1, 0)) == {0: 5.0, 1: 5.0}
    assert meter.measure(21.0, {TOPIC: {0: 3, 1: 2}}, at(2, 1)) == {0: 0.0, 1: 0.0}


def test_while_the_log_is_away_the_lag_grows_from_the_last_that_was_known() -> None:
    meter = LagMeter()
    assert meter.unknown(5.0) == {0: 0.0}
    meter.measure(10.0, {TOPIC: {0: 1, 1: 1}}, at(-1, 0))
    meter.measure(12.0, {TOPIC: {0: 1, 1: 1}}, at(-1, 0))
    assert meter.unknown(20.0) == {0: 10.0, 1: 8.0}
    assert meter.measure(21.0, {TOPIC: {0: 1, 1: 1}}, at(0, 0)) == {0: 0.0, 1: 0.0}


def test_a_new_meter_goes_on_from_what_was_known_before() -> None:
    meter = LagMeter()
    assert meter.unknown(0.0, before_s=90.0) == {0: 90.0}
    assert meter.measure(0.0, {TOPIC: {0: 2, 1: 1}}, at(0, 0), before_s=90.0) == {0: 90.0, 1: 0.0}
    assert meter.measure(1.0, {TOPIC: {0: 3, 1: 2}}, at(1, 0), before_s=90.0) == {0: 0.0, 1: 0.0}


def test_what_waits_longest_is_not_forgotten_however_much_comes_after_it() -> None:
    meter = LagMeter()
    for n in range(3 * SAMPLES):
        lag = meter.measure(float(n), {TOPIC: {0: n + 1}}, at(-1))
    assert lag == {0: 3.0 * SAMPLES - 1}
    assert meter.measure(3.0 * SAMPLES, {TOPIC: {0: 3 * SAMPLES}}, at(3 * SAMPLES - 1)) == {0: 0.0}


def test_the_ends_of_a_topic_that_was_made_anew_replace_those_of_the_lost_one() -> None:
    meter = LagMeter()
    meter.measure(0.0, {TOPIC: {0: 9}}, at(3))
    assert meter.measure(5.0, {TOPIC: {0: 2}}, at(-1)) == {0: 5.0}
    assert meter.measure(6.0, {TOPIC: {0: 2}}, at(1)) == {0: 0.0}
