"""What every log keeps. A backend's test class inherits this and supplies the `log` fixture (empty, four partitions)."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest

from shared.errors import Conflict
from shared.events.topics import INCENTIVES, REGISTRY
from shared.log.interface import BEFORE_FIRST, Entry, Log
from shared.log.placement import partition_of

LONG_S = 30.0  # a deadline that only a broken log reaches
MORE_THAN_ANYONE_HOLDS = 6_000  # entries of one partition: a reader that keeps some ahead stops before


def all_of(log: Log, topic: str = REGISTRY, page: int = 1_000) -> list[Entry]:
    """Everything on a topic, partition by partition, read page by page."""
    found: list[Entry] = []
    for partition in range(log.partitions(topic)):
        after = BEFORE_FIRST
        while entries := log.read(topic, partition, after, page):
            found += entries
            after = entries[-1].offset
    return found


def in_thread(work: Callable[[], None]) -> threading.Thread:
    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    return thread


class Replaced:
    """A fence that has fallen."""

    name = "relay"

    def check_in(self, session: object) -> None:
        raise Conflict("replaced")

    def check(self) -> None:
        raise Conflict("replaced")


class LogContract:
    """No "Test" prefix: only subclasses are collected."""

    def test_an_empty_topic_reads_as_nothing(self, log: Log) -> None:
        assert all_of(log) == []
        assert log.end_offsets(REGISTRY) == dict.fromkeys(range(log.partitions(REGISTRY)), 0)

    def test_what_was_appended_is_read_back_as_it_was(self, log: Log) -> None:
        log.append(REGISTRY, [("甲", "值".encode()), ("", b"\x00\xff not json")])
        assert {(e.key, e.value) for e in all_of(log)} == {("甲", "值".encode()), ("", b"\x00\xff not json")}
        assert all(e.topic == REGISTRY for e in all_of(log))

    def test_appending_nothing_adds_nothing(self, log: Log) -> None:
        log.append(REGISTRY, [])
        assert all_of(log) == []

    def test_a_key_keeps_its_order_and_its_partition(self, log: Log) -> None:
        for start in range(0, 60, 20):
            log.append(REGISTRY, [(f"k{n % 7}", b"%d" % n) for n in range(start, start + 20)])
        for key in {f"k{n}" for n in range(7)}:
            entries = [e for e in all_of(log) if e.key == key]
            assert [int(e.value) for e in entries] == sorted(int(e.value) for e in entries)
            assert len({e.partition for e in entries}) == 1

    def test_a_key_lies_in_the_same_partition_of_every_topic(self, log: Log) -> None:
        items = [(f"k{n}", b"") for n in range(20)]
        log.append(REGISTRY, items)
        log.append(INCENTIVES, items)
        assert {(e.key, e.partition) for e in all_of(log)} == {(e.key, e.partition) for e in all_of(log, INCENTIVES)}

    def test_keys_are_spread_over_all_partitions(self, log: Log) -> None:
        log.append(REGISTRY, [(f"k{n}", b"") for n in range(100)])
        assert {e.partition for e in all_of(log)} == set(range(log.partitions(REGISTRY)))

    def test_offsets_start_at_zero_and_have_no_gap(self, log: Log) -> None:
        for n in range(12):
            log.append(REGISTRY, [(f"k{n}-{m}", b"") for m in range(n)])
        for partition, end in log.end_offsets(REGISTRY).items():
            assert [e.offset for e in log.read(REGISTRY, partition, BEFORE_FIRST, 1_000)] == list(range(end))

    def test_topics_do_not_mix(self, log: Log) -> None:
        log.append(REGISTRY, [("a", b"registry")])
        log.append(INCENTIVES, [("a", b"incentives")])
        assert [e.value for e in all_of(log)] == [b"registry"]
        assert [e.value for e in all_of(log, INCENTIVES)] == [b"incentives"]

    def test_reading_starts_after_the_offset_given_and_can_be_repeated(self, log: Log) -> None:
        log.append(REGISTRY, [("a", b"%d" % n) for n in range(10)])
        partition = all_of(log)[0].partition
        for _ in range(2):
            assert [e.value for e in log.read(REGISTRY, partition, 3, 3)] == [b"4", b"5", b"6"]
        assert log.read(REGISTRY, partition, 9, 10) == []
        assert log.read(REGISTRY, partition, 3, 0) == []

    def test_a_long_partition_is_read_to_its_end_after_a_reader_turned_to_another(self, log: Log) -> None:
        """What a reader holds back of one partition, while it looks for another's, must come when its turn comes again."""
        log.append(REGISTRY, [("long", b"%d" % n) for n in range(MORE_THAN_ANYONE_HOLDS)])
        long = partition_of("long", log.partitions(REGISTRY))
        short = next(key for key in map(str, range(100)) if partition_of(key, log.partitions(REGISTRY)) != long)
        log.append(REGISTRY, [(short, b"short")])
        seen = log.read(REGISTRY, long, BEFORE_FIRST, 1)
        assert [e.value for e in log.read(REGISTRY, partition_of(short, log.partitions(REGISTRY)), BEFORE_FIRST, 10)] == [b"short"]
        while page := log.read(REGISTRY, long, seen[-1].offset, 700):
            seen += page
        assert [int(e.value) for e in seen] == list(range(MORE_THAN_ANYONE_HOLDS))

    def test_more_than_one_transaction_holds_arrives_whole_and_in_order(self, log: Log) -> None:
        log.append(REGISTRY, [("a", b"%d" % n) for n in range(2_500)])
        assert [int(e.value) for e in all_of(log, page=700)] == list(range(2_500))

    def test_a_value_of_a_megabyte_arrives(self, log: Log) -> None:
        values = [bytes([n]) * (900 << 10) for n in range(6)]
        log.append(REGISTRY, [("a", value) for value in values])
        assert [e.value for e in all_of(log)] == values

    def test_two_writers_never_hide_each_other(self, log: Log) -> None:
        """A reader that follows the end while four write sees each entry once, and each writer's in order."""
        writers, rounds = 4, 12
        done = threading.Event()
        seen: list[Entry] = []

        def follow() -> None:
            after = dict.fromkeys(range(log.partitions(REGISTRY)), BEFORE_FIRST)
            while True:
                last_round = done.is_set()
                for partition in after:
                    for entry in log.read(REGISTRY, partition, after[partition], 50):
                        seen.append(entry)
                        after[partition] = entry.offset
                if last_round and all(after[p] == end - 1 for p, end in log.end_offsets(REGISTRY).items()):
                    return

        def write(writer: int) -> None:
            for n in range(rounds):
                log.append(REGISTRY, [(f"w{writer}-{key}", b"%d" % n) for key in range(5)])

        log.partitions(REGISTRY)
        reader = in_thread(follow)
        with ThreadPoolExecutor(writers) as pool:
            list(pool.map(write, range(writers)))
        done.set()
        reader.join(LONG_S)
        assert not reader.is_alive()
        by_key: dict[str, list[int]] = {}
        for entry in seen:
            by_key.setdefault(entry.key, []).append(int(entry.value))
        assert by_key == {f"w{w}-{key}": list(range(rounds)) for w in range(writers) for key in range(5)}

    def test_waiting_ends_when_something_arrives(self, log: Log) -> None:
        after = log.end_offsets(REGISTRY)
        woken: list[int] = []

        def follow() -> None:
            while not woken:
                log.wait([REGISTRY, INCENTIVES], LONG_S)
                woken.extend(n for p in after for n in [len(log.read(REGISTRY, p, BEFORE_FIRST, 10))] if n)

        waiting = in_thread(follow)
        log.append(REGISTRY, [("a", b"1")])
        waiting.join(LONG_S / 2)  # well before the wait itself would time out
        assert woken == [1]

    def test_what_arrived_before_the_wait_ends_it(self, log: Log) -> None:
        log.wait([REGISTRY], 0.01)
        log.append(REGISTRY, [("a", b"1")])
        waiting = in_thread(lambda: log.wait([REGISTRY], LONG_S))
        waiting.join(LONG_S / 2)
        assert not waiting.is_alive()

    def test_waiting_for_nothing_ends_in_time(self, log: Log) -> None:
        log.wait([REGISTRY], 0.01)
        log.wait([REGISTRY], 0.01)

    def test_a_replaced_writer_adds_nothing(self, log: Log) -> None:
        with pytest.raises(Conflict):
            log.append(REGISTRY, [("a", b"stale")], fence=Replaced())
        assert all_of(log) == []
