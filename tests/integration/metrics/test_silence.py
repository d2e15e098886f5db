"""What readers are told when no publisher is at work: that what was right when the last one looked may not be now."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import pytest

from services.metrics.definitions import Definitions
from services.metrics.publisher import NOTE_EVERY_S, Publisher
from services.metrics.store.collections import Store
from services.metrics.store.publications import MEASURED_WITHIN_S, PUBLICATION, STALE_AFTER_S, Publications
from services.metrics.web.board import Board
from shared.clock import FixedClock
from shared.log.embedded import EmbeddedLog
from tests.integration.metrics.district import FIRM, OTHER, REGISTRY, Events, entry
from tests.integration.metrics.web import Listener, Web

Feed = Callable[..., int]
HNTE = "/indicators/hnte_count"


@pytest.fixture
def silent_for(store: Store, feed: Feed, events: Events) -> Callable[[float], None]:
    """Something is published, and the last publisher went away so many seconds ago."""
    feed(events.enterprise(FIRM), events.certificate("GR202544000001", FIRM))

    def go(seconds: float) -> None:
        back = {"measured": {"$subtract": ["$$NOW", int(seconds * 1000)]}}
        store.state.update_one({"_id": PUBLICATION}, [{"$set": back}])

    return go


def told(web: Web) -> tuple[str, float]:
    item = web.json(HNTE)
    return item["state"], item["lag_s"]


def alarms(web: Web) -> list[str]:
    answer = web.client.get("/metrics/-/ready").json
    assert answer is not None
    found: list[str] = answer.get("alarms", [])
    return found


def test_values_say_stale_when_no_publisher_is_at_work(
    silent_for: Callable[[float], None], web: Web, publisher: Publisher
) -> None:
    assert told(web) == ("ok", 0.0)
    silent_for(1_000)
    state, lag_s = told(web)
    assert state == "stale"
    assert lag_s >= 1_000 - MEASURED_WITHIN_S
    assert {item["state"] for item in web.json("/indicators")["items"]} == {"stale", "no_data", "not_applicable"}
    assert "stale" in web.get("/exports/indicators.csv").text
    assert web.json(f"{HNTE}?as_of=2026-01-01")["state"] == "ok"  # of another day nothing is awaited
    assert [text for text in alarms(web) if "no publisher" in text]
    publisher.step()
    assert told(web) == ("ok", 0.0)
    assert not alarms(web)


def test_what_is_not_published_yet_is_stale_with_the_rest(
    silent_for: Callable[[float], None], web: Web, clock: FixedClock
) -> None:
    clock.instant += timedelta(days=1)  # the published day is over: the board computes
    silent_for(1_000)
    assert told(web)[0] == "stale"


def test_a_pause_between_two_looks_is_no_silence(silent_for: Callable[[float], None], web: Web, store: Store) -> None:
    silent_for(NOTE_EVERY_S + 1)
    assert told(web) == ("ok", 0.0)
    edition = Publications(store).state()
    silent_for(NOTE_EVERY_S)
    assert Publications(store).state() == edition  # what was computed for it is good still


def test_the_limit_counts_the_silence_and_the_lag_before_it(
    silent_for: Callable[[float], None], web: Web, store: Store
) -> None:
    silent_for(STALE_AFTER_S / 2)
    assert told(web)[0] == "ok"
    store.state.update_one({"_id": PUBLICATION}, {"$set": {"lag_s": STALE_AFTER_S - 1}})
    assert told(web)[0] == "stale"


def test_the_limit_is_the_configured_one(
    silent_for: Callable[[float], None], store: Store, definitions: Definitions, clock: FixedClock
) -> None:
    silent_for(1_000)
    board = Board(store, definitions, clock, stale_after_s=5_000)
    assert not board.publications.is_stale(board.publications.state())


def test_the_clock_of_the_district_has_no_say(silent_for: Callable[[float], None], web: Web, clock: FixedClock) -> None:
    clock.instant += timedelta(days=400)
    assert web.json(HNTE)["lag_s"] == 0.0


def test_a_publisher_at_work_says_so_although_nothing_changes(
    silent_for: Callable[[float], None], web: Web, publisher: Publisher
) -> None:
    silent_for(MEASURED_WITHIN_S + 10)
    publisher._measured = publisher._noted = float("-inf")
    assert publisher.step() == 0
    assert told(web) == ("ok", 0.0)


def test_the_publisher_of_an_unfinished_rebuild_is_at_work(
    silent_for: Callable[[float], None], web: Web, publisher: Publisher, store: Store
) -> None:
    silent_for(1_000)
    publisher._measured = publisher._noted = float("-inf")
    publisher._complete = False
    store.state.update_one({"_id": "active"}, {"$set": {"digest": "other rules"}})
    assert publisher.step() == 0
    assert told(web) == ("ok", 0.0)


def test_a_publisher_that_takes_over_counts_the_silence_as_waiting(
    silent_for: Callable[[float], None],
    web: Web,
    events: Events,
    log: EmbeddedLog,
    publisher: Publisher,
    store: Store,
    definitions: Definitions,
    clock: FixedClock,
) -> None:
    log.append(REGISTRY, [entry(events.enterprise(OTHER))])
    silent_for(1_000)
    Publisher(store, log, definitions, clock, publisher.fence).step()
    assert told(web)[0] == "stale"


def test_streams_hear_of_a_silence_and_of_its_end(silent_for: Callable[[float], None], web: Web, publisher: Publisher) -> None:
    listener = Listener(web)
    first = listener.next()
    assert first["data"]["items"][0]["state"] == "ok"
    silent_for(1_000)
    with pytest.raises(StopIteration):
        listener.next()
    listener = Listener(web, **{"Last-Event-ID": str(first["id"])})
    again = listener.next()
    assert (again["event"], again["data"]["items"][0]["state"]) == ("snapshot", "stale")
    publisher.step()
    change = listener.next()
    assert (change["event"], change["data"]["state"]) == ("indicator", "ok")
    listener.close()
