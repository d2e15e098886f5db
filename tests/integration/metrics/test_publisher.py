from __future__ import annotations

import json
from collections.abc import Callable
from datetime import timedelta

import pytest

from services.metrics.definitions import Definitions
from services.metrics.publisher import Publisher
from services.metrics.store.collections import Store
from services.metrics.store.publications import Publications
from shared.clock import FixedClock
from shared.errors import Unavailable
from shared.events.topics import INDICATORS
from shared.log.embedded import EmbeddedLog
from tests.integration.metrics.district import FIRM, OTHER, REGISTRY, XIANGZHOU, XINGANG, Events, entry

Feed = Callable[..., int]


def test_the_first_round_announces_everything_and_the_second_nothing(publisher: Publisher, store: Store) -> None:
    assert publisher.step() == 4
    assert publisher.step() == 0
    state = Publications(store).state()
    assert (state.sequence, state.published_as_of, state.appended) == (4, "2026-06-30", 4)


def test_a_change_is_announced_once_with_its_cells(feed: Feed, events: Events, store: Store) -> None:
    feed()
    assert feed(events.enterprise(FIRM)) == 0
    assert feed(events.certificate("GR202544000001", FIRM)) == 1
    change = store.changes.find_one({"_id": 5})
    assert change is not None
    assert (change["indicator"], change["item"]["value"], change["item"]["sequence"]) == ("hnte_count", 1, 5)
    assert [(cell["key"], cell["value"]) for cell in change["cells"]["town"]] == [(XINGANG, 1)]


def test_a_move_between_towns_is_announced_although_the_whole_stays(feed: Feed, events: Events, store: Store) -> None:
    feed(events.enterprise(FIRM), events.certificate("GR202544000001", FIRM))
    towns = [
        {"from": "2010-01-01", "to": "2026-06-01", "value": XINGANG},
        {"from": "2026-06-01", "to": None, "value": XIANGZHOU},
    ]
    assert feed(events.enterprise(FIRM, XIANGZHOU, version=2, towns=towns)) == 1
    change = store.changes.find_one(sort=[("_id", -1)])
    assert change is not None
    assert change["item"]["value"] == 1
    assert {cell["key"]: cell["value"] for cell in change["cells"]["town"]} == {XINGANG: 0, XIANGZHOU: 1}


def test_midnight_is_announced_without_an_event(
    feed: Feed, events: Events, clock: FixedClock, publisher: Publisher, store: Store
) -> None:
    feed(events.enterprise(FIRM), events.certificate("GR202344000001", FIRM, issued="2023-07-01"))
    clock.instant += timedelta(hours=15, minutes=59)
    assert publisher.step() == 0
    clock.instant += timedelta(minutes=1)
    assert publisher.step() >= 1
    stored = store.published.find_one({"_id": "hnte_count"})
    assert stored is not None
    assert (stored["item"]["value"], stored["item"]["as_of"]) == (0, "2026-07-01")
    assert Publications(store).state().published_as_of == "2026-07-01"


def test_sequences_rise_by_one_without_a_gap(feed: Feed, events: Events, store: Store) -> None:
    for n, uscc in enumerate((FIRM, OTHER)):
        feed(events.enterprise(uscc), events.certificate(f"GR20254400000{n}", uscc), events.above_scale(f"a{n}", uscc))
    found = [change["_id"] for change in store.changes.find().sort("_id", 1)]
    assert found == list(range(1, len(found) + 1))


def test_changes_go_to_the_log_at_least_once_after_a_crash(
    feed: Feed, events: Events, log: EmbeddedLog, publisher: Publisher, monkeypatch: pytest.MonkeyPatch
) -> None:
    feed()
    with monkeypatch.context() as patched:
        patched.setattr(Publisher, "_append", _crash)
        with pytest.raises(OSError, match="gone"):
            feed(events.enterprise(FIRM), events.certificate("GR202544000001", FIRM))
    publisher.step()
    appended = [
        json.loads(found.value) for p in range(log.partitions(INDICATORS)) for found in log.read(INDICATORS, p, -1, 100)
    ]
    assert sorted(event["sequence"] for event in appended) == [1, 2, 3, 4, 5]
    assert next(event for event in appended if event["sequence"] == 5)["subject"] == "indicators/hnte_count"


def _crash(*_: object) -> None:
    raise OSError("gone")


def test_values_say_stale_when_ingest_does_not_keep_up(
    feed: Feed, events: Events, log: EmbeddedLog, publisher: Publisher, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    feed(events.enterprise(FIRM))
    monkeypatch.setattr(publisher.lag, "measure", lambda *_: {0: 0.0, 2: 61.0})
    publisher._measured = float("-inf")
    assert publisher.step() >= 2
    stored = store.published.find_one({"_id": "hnte_count"})
    assert stored is not None
    assert (stored["item"]["state"], stored["item"]["lag_s"]) == ("stale", 61.0)
    monkeypatch.setattr(publisher.lag, "measure", lambda *_: {0: 0.0, 2: 0.0})
    publisher._measured = float("-inf")
    publisher.step()
    stored = store.published.find_one({"_id": "hnte_count"})
    assert stored is not None
    assert stored["item"]["state"] == "ok"


def test_values_turn_stale_while_the_log_is_away_and_recover_with_it(
    feed: Feed, events: Events, publisher: Publisher, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    feed(events.enterprise(FIRM))
    publisher.publications.stale_after_s = 0.0

    def states() -> set[str]:
        publisher._measured = float("-inf")
        publisher.step()
        return {found["item"]["state"] for found in store.published.find({"_id": "hnte_count"})}

    with monkeypatch.context() as away:
        away.setattr(publisher.log, "end_offsets", _unreachable)
        away.setattr(publisher.log, "append", _unreachable)
        assert states() == {"stale"}
        unsent = publisher.publications.state()
        assert unsent.appended < unsent.sequence
    assert states() == {"ok"}
    assert publisher.publications.state().appended == publisher.publications.state().sequence


def _unreachable(*_: object, **__: object) -> None:
    raise Unavailable("away")


def test_a_publisher_that_takes_over_does_not_call_stale_values_fresh(
    feed: Feed, events: Events, log: EmbeddedLog, publisher: Publisher, store: Store, definitions: Definitions, clock: FixedClock,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    feed(events.enterprise(FIRM))
    log.append(REGISTRY, [entry(events.enterprise(OTHER))])
    monkeypatch.setattr(publisher.lag, "measure", lambda *_: {0: 61.0})
    publisher._measured = float("-inf")
    publisher.step()
    Publisher(store, log, definitions, clock, publisher.fence).step()
    assert {found["item"]["state"] for found in store.published.find({"_id": "hnte_count"})} == {"stale"}
