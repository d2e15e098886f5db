from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest

from services.metrics.definitions import Definitions
from services.metrics.publisher import Publisher
from services.metrics.push import stream as stream_module
from services.metrics.push.frames import Frame
from services.metrics.push.hub import Subscription
from services.metrics.store.collections import Store
from services.metrics.store.publications import Publications
from shared.clock import FixedClock
from tests.integration.metrics.district import FIRM, OTHER, XINGANG, Events
from tests.integration.metrics.web import Listener, Web

Feed = Callable[..., int]


def certify(events: Events, uscc: str, number: int) -> list[dict[str, object]]:
    return [events.enterprise(uscc), events.certificate(f"GR20254400000{number}", uscc)]


def test_a_stream_begins_with_a_snapshot_and_goes_on_with_changes(feed: Feed, events: Events, web: Web) -> None:
    feed()
    listener = Listener(web)
    first = listener.next()
    assert (first["event"], first["id"], first["data"]["resumed"], first["data"]["sequence"]) == ("snapshot", 4, False, 4)
    assert first["data"]["items"][0]["id"] == "hnte_count"
    feed(*certify(events, FIRM, 1))
    change = listener.next()
    assert (change["event"], change["id"], change["data"]["id"], change["data"]["value"]) == ("indicator", 5, "hnte_count", 1)
    assert change["data"]["sequence"] == 5
    listener.close()
    assert web.hub.clients() == 0


def test_a_stream_is_told_not_to_be_buffered(feed: Feed, web: Web) -> None:
    feed()
    listener = Listener(web)
    headers = listener.response.headers
    assert headers["Content-Type"].startswith("text/event-stream")
    assert (headers["X-Accel-Buffering"], headers["Cache-Control"]) == ("no", "no-cache, no-transform")
    listener.close()


def test_a_client_that_comes_back_gets_every_missed_change_once_and_in_order(feed: Feed, events: Events, web: Web) -> None:
    feed()
    feed(*certify(events, FIRM, 1))
    feed(*certify(events, OTHER, 2))
    listener = Listener(web, **{"Last-Event-ID": "4"})
    assert [listener.next()["id"], listener.next()["id"]] == [5, 6]
    feed(events.above_scale("a1", FIRM))
    assert listener.next()["id"] == 7
    listener.close()


def test_a_gap_older_than_what_is_kept_gets_a_snapshot(feed: Feed, events: Events, web: Web, store: Store) -> None:
    feed()
    feed(*certify(events, FIRM, 1))
    store.changes.delete_many({"_id": {"$lte": 4}})
    for last in ("2", "99", "abc", "-1"):
        listener = Listener(web, **{"Last-Event-ID": last})
        assert listener.next()["event"] == "snapshot"
        listener.close()
    listener = Listener(web, **{"Last-Event-ID": "4"})
    assert listener.next()["id"] == 5
    listener.close()


def test_a_client_gets_the_indicators_and_the_breakdown_it_asked_for(feed: Feed, events: Events, web: Web) -> None:
    feed()
    listener = Listener(web, "/stream?indicators=hnte_count&by=town")
    assert [item["id"] for item in listener.next()["data"]["items"]] == ["hnte_count"]
    feed(events.enterprise(FIRM), events.above_scale("a1", FIRM))
    feed(events.certificate("GR202544000001", FIRM))
    change = listener.next()
    assert change["data"]["id"] == "hnte_count"
    assert [(cell["key"], cell["value"]) for cell in change["data"]["breakdown"]] == [(XINGANG, 1)]
    listener.close()


def test_midnight_reaches_an_open_stream_without_an_event(
    feed: Feed, events: Events, web: Web, publisher: Publisher, clock: FixedClock
) -> None:
    feed(events.enterprise(FIRM), events.certificate("GR202344000001", FIRM, issued="2023-07-01"))
    listener = Listener(web, "/stream?indicators=hnte_count")
    assert listener.next()["data"]["items"][0]["value"] == 1
    clock.instant += timedelta(hours=16)
    publisher.step()
    change = listener.next()["data"]
    assert (change["value"], change["as_of"]) == (0, "2026-07-01")
    listener.close()


def test_a_client_that_does_not_keep_up_is_cut_off_and_resumes(
    feed: Feed, events: Events, store: Store, definitions: Definitions, clock: FixedClock, tmp_path: Path
) -> None:
    web = Web(store, definitions, clock, tmp_path, queue=1)
    feed()
    listener = Listener(web)
    assert listener.next()["id"] == 4
    feed(*certify(events, FIRM, 1), events.above_scale("a1", FIRM))
    web.hub.deliver()
    assert web.hub.clients() == 0
    listener.close()
    again = Listener(web, **{"Last-Event-ID": "4"})
    assert [again.next()["id"], again.next()["id"]] == [5, 6]
    again.close()
    web.hub.close()


def test_a_full_queue_breaks_the_connection() -> None:
    broken: list[bool] = []
    client = Subscription(2, lambda: broken.append(True))
    frames = [Frame({"_id": n, "indicator": "x", "item": {}, "cells": {}}) for n in range(3)]
    assert client.offer(frames[:2])
    assert not client.offer(frames[2:])
    assert broken == [True]
    assert client.take(0) is None


def test_a_silent_stream_sends_a_sign_of_life(feed: Feed, web: Web, store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    feed()
    assert stream_module.HEARTBEAT_S <= 15
    monkeypatch.setattr(stream_module, "HEARTBEAT_S", 0.01)
    body = stream_module.stream(web.hub, Publications(store), stream_module.Wish(), ())
    opening, snapshot, sign = next(body), next(body), next(body)
    assert (opening[:6], snapshot[:15], sign[:1]) == (b"retry:", b"event: snapshot", b":")
    body.close()
