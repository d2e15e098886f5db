"""The relay loses nothing, keeps each record's order and is fenced; failures are injected where a crash would be."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pymongo.collection import Collection
from pymongo.errors import AutoReconnect, OperationFailure

from shared.errors import Unavailable
from shared.events.topics import REGISTRY
from shared.log.interface import BEFORE_FIRST
from shared.mongo import Client, Document
from shared.relay.lease import Fenced
from shared.relay.relay import Relay, in_version_order
from tests.integration.relay_world import World, envelope, make_change

LONG_S = 30.0


@pytest.fixture
def world(mongo: Client, database_name: str) -> Iterator[World]:
    made = World(mongo, database_name)
    yield made
    made.log.close()


class Running:
    """Relays that run in threads until the test is over."""

    def __init__(self) -> None:
        self.stops: list[threading.Event] = []
        self.threads: list[threading.Thread] = []

    def start(self, relay: Relay) -> threading.Event:
        stop = threading.Event()
        thread = threading.Thread(target=relay.run, args=(stop,), daemon=True)
        thread.start()
        self.threads.append(thread)
        self.stops.append(stop)
        return stop

    def end(self) -> None:
        for stop in self.stops:
            stop.set()
        for thread in self.threads:
            thread.join(LONG_S)
            assert not thread.is_alive()


@pytest.fixture
def running() -> Iterator[Running]:
    made = Running()
    yield made
    made.end()


def eventually(world: World, condition: Callable[[], bool]) -> None:
    """Wait on the log, which every publication rings, until the condition holds."""
    deadline = threading.Event()
    timer = threading.Timer(LONG_S, deadline.set)
    timer.start()
    try:
        while not condition():
            assert not deadline.is_set(), "it never came to be"
            world.log.wait([REGISTRY], 0.1)
    finally:
        timer.cancel()


def test_each_change_goes_out_once_under_every_key_and_gets_a_position(world: World) -> None:
    world.write(make_change("a", 1, keys=["k1", "k2", "k3"]), make_change("b", 1))
    assert world.relay.step() == 2
    assert world.relay.step() == 0
    assert sorted(e["partitionkey"] for e in world.events()) == ["k", "k1", "k2", "k3"]
    assert len({e["id"] for e in world.events()}) == 4
    assert world.positions() == [1, 2]
    world.write(make_change("a", 2))
    world.relay.step()
    assert world.positions() == [1, 2, 3]


def test_a_change_without_a_key_is_marked_too(world: World) -> None:
    world.write(make_change("a", 1, keys=[]))
    assert world.relay.drain() == 1
    assert (world.events(), world.pending()) == ([], 0)


def test_versions_go_out_in_order_though_their_ids_do_not(world: World) -> None:
    world.write(
        make_change("a", 3, change_id="01"), make_change("b", 1, change_id="02"),
        make_change("a", 1, change_id="03"), make_change("a", 2, change_id="04"),
    )
    world.relay.drain()
    assert world.versions("a") == [1, 2, 3]


@pytest.mark.parametrize("batch", [1, 2, 3])
def test_a_version_waits_for_one_that_lies_outside_the_batch(world: World, batch: int) -> None:
    world.write(
        make_change("a", 3, change_id="01"), make_change("a", 1, change_id="02"),
        make_change("b", 1, change_id="03"), make_change("a", 2, change_id="04"), make_change("a", 4, change_id="05"),
    )
    relay = world.make_relay(batch=batch)
    relay.lease = world.relay.lease
    relay.drain()
    assert world.versions("a") == [1, 2, 3, 4]
    assert world.pending() == 0


def test_a_change_that_commits_late_under_an_early_id_is_not_passed_over(world: World) -> None:
    world.write(make_change("b", 1, change_id="09"))
    world.relay.drain()
    world.write(make_change("a", 1, change_id="01"))
    assert world.relay.drain() == 1
    assert world.versions("a") == [1]


def test_a_crash_between_log_and_mark_publishes_again_with_the_same_ids(world: World) -> None:
    world.write(make_change("a", 1), make_change("a", 2))
    world.log.after = RuntimeError("the process dies here")
    with pytest.raises(RuntimeError):
        world.relay.step()
    assert (world.versions("a"), world.pending()) == ([1, 2], 2)
    assert world.relay.drain() == 2
    assert world.versions("a") == [1, 2, 1, 2]
    assert len({e["id"] for e in world.events()}) == 2
    assert world.positions() == [1, 2]


def test_a_crash_before_the_log_loses_nothing(world: World) -> None:
    world.write(make_change("a", 1))
    world.log.before = RuntimeError("the process dies here")
    with pytest.raises(RuntimeError):
        world.relay.step()
    assert (world.versions("a"), world.pending()) == ([], 1)
    world.relay.drain()
    assert world.versions("a") == [1]


def test_a_crash_inside_the_mark_leaves_all_of_it_unpublished(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    world.write(make_change("a", 1), make_change("b", 1))

    def die(*_: object, **__: object) -> None:
        raise OperationFailure("injected")

    monkeypatch.setattr(Collection, "bulk_write", die)  # the counter has moved by then
    with pytest.raises(OperationFailure):
        world.relay.step()
    monkeypatch.undo()
    assert (world.positions(), world.pending()) == ([], 2)
    world.relay.drain()
    assert world.positions() == [1, 2]


def test_one_record_that_makes_no_event_holds_back_itself_alone(world: World) -> None:
    broken = {"a2"}

    def picky(change: Document, service: str) -> list[dict[str, object]]:
        if f"{change['record_id']}{change['version']}" in broken:
            raise ValueError("no event can be made of it")
        return envelope(change, service)

    relay = world.make_relay(events_of=picky)
    relay.lease = world.relay.lease
    world.write(*(make_change(record, version) for version in (1, 2, 3) for record in "ab"))
    assert relay.drain() == 4
    assert (world.versions("a"), world.versions("b"), world.pending()) == ([1], [1, 2, 3], 2)
    broken.clear()
    restarted = world.make_relay(events_of=picky)
    restarted.lease = world.relay.lease
    restarted.drain()
    assert world.versions("a") == [1, 2, 3]


def test_a_relay_that_was_replaced_neither_appends_nor_marks(world: World) -> None:
    stale, fresh = world.relay, world.make_relay()
    world.write(make_change("a", 1), make_change("a", 2))
    world.database["leases"].update_one({}, [{"$set": {"expires": "$$NOW"}}])
    assert fresh.lease.acquire()
    with pytest.raises(Fenced):
        stale.step()
    assert world.events() == []
    fresh.drain()
    assert world.versions("a") == [1, 2]


def test_a_relay_that_is_replaced_between_log_and_mark_marks_nothing(world: World) -> None:
    stale, fresh = world.relay, world.make_relay()
    world.write(make_change("a", 1))
    append = world.log.append

    def and_freeze(*arguments: object, **options: object) -> None:
        append(*arguments, **options)  # type: ignore[arg-type]
        world.database["leases"].update_one({}, [{"$set": {"expires": "$$NOW"}}])
        assert fresh.lease.acquire()
        world.log.append = append  # type: ignore[method-assign]
        fresh.drain()

    world.log.append = and_freeze  # type: ignore[method-assign]
    with pytest.raises(Fenced):
        stale.step()
    assert world.positions() == [1]
    assert world.versions("a") == [1, 1]


def test_a_running_relay_publishes_what_is_written_and_gives_its_lease_back(world: World, running: Running) -> None:
    world.relay.lease.release()
    running.start(world.relay)
    for version in range(1, 6):
        world.write(make_change("a", version))
        eventually(world, lambda version=version: world.versions("a") == list(range(1, version + 1)))  # type: ignore[misc]
    running.end()
    assert world.make_relay().lease.acquire()


def test_a_running_relay_waits_out_a_log_and_a_store_that_are_away(world: World, running: Running) -> None:
    world.relay.lease.release()
    world.log.before = Unavailable("injected")
    world.write(make_change("a", 1))
    running.start(world.relay)
    eventually(world, lambda: world.versions("a") == [1])
    world.log.before = AutoReconnect("injected")
    world.write(make_change("a", 2))
    eventually(world, lambda: world.versions("a") == [1, 2])


def test_the_second_of_two_running_relays_takes_over(world: World, running: Running) -> None:
    world.relay.lease.release()
    first = running.start(world.relay)
    world.write(make_change("a", 1))
    eventually(world, lambda: world.pending() == 0)
    running.start(world.make_relay())
    world.write(make_change("a", 2))
    eventually(world, lambda: world.pending() == 0)
    first.set()
    world.write(make_change("a", 3))
    eventually(world, lambda: world.pending() == 0)
    assert world.versions("a") == [1, 2, 3]
    assert world.positions() == [1, 2, 3]


def test_writers_relays_and_replacements_at_once_keep_every_promise(world: World, running: Running) -> None:
    """Three relays whose lease is torn away again and again, while records are written: nothing lost, order kept."""
    world.relay.lease.release()
    for _ in range(3):
        running.start(world.make_relay(batch=7, ttl_s=1.0))
    for version in range(1, 31):
        world.write(*(make_change(record, version, keys=[record]) for record in "abcde"))
        if version % 5 == 0:
            world.database["leases"].update_one({}, [{"$set": {"expires": "$$NOW"}}])
    eventually(world, lambda: world.pending() == 0)
    for record in "abcde":
        assert list(dict.fromkeys(world.versions(record))) == list(range(1, 31))
    assert world.positions() == list(range(1, 151))


@given(st.lists(st.tuples(st.sampled_from("abc"), st.booleans()), max_size=20), st.randoms(use_true_random=False))
def test_any_batch_comes_in_version_order(records: list[tuple[str, bool]], random: object) -> None:
    versions: dict[str, int] = {}
    changes = []
    for record, inside in records:
        versions[record] = versions.get(record, 0) + 1
        changes.append((make_change(record, versions[record], change_id=f"{record}{versions[record]}"), inside))
    random.shuffle(changes)  # type: ignore[attr-defined]
    batch = [change for change, inside in changes if inside]
    newest = {record: max((c["version"] for c in batch if c["record_id"] == record), default=0) for record in versions}
    missing = [c for c, inside in changes if not inside and c["version"] < newest[c["record_id"]]]
    ordered = list(in_version_order(batch, missing))
    assert sorted(c["_id"] for c in ordered) == sorted(c["_id"] for c in batch + missing)
    for record in versions:
        found = [c["version"] for c in ordered if c["record_id"] == record]
        assert found == sorted(found)


def test_the_end_of_the_log_is_what_was_published(world: World) -> None:
    world.write(*(make_change(f"r{n}", 1, keys=[f"k{n}"]) for n in range(2_300)))
    assert world.relay.drain() == 2_300
    assert sum(world.log.end_offsets(REGISTRY).values()) == 2_300
    assert world.log.read(REGISTRY, 0, BEFORE_FIRST, 1)[0].offset == 0
    assert world.positions() == list(range(1, 2_301))
