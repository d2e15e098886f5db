"""What every consumer keeps. A backend's test class inherits this and supplies `log` and `join`."""

from __future__ import annotations

import time
from collections.abc import Callable

from shared.events.topics import INCENTIVES, REGISTRY
from shared.log.consumer import Consumer
from shared.log.interface import Entry, Log
from shared.log.placement import partition_of

LONG_S = 40.0
MORE_THAN_ANYONE_HOLDS = 6_000  # entries of one partition: a member that keeps some ahead stops before
TOPICS = (REGISTRY, INCENTIVES)
ALL = frozenset(range(4))
Join = Callable[[], Consumer]


def until(wanted: Callable[[], bool], *members: Consumer) -> None:
    """Let the members work until it is so."""
    deadline = time.monotonic() + LONG_S
    while not wanted():
        assert time.monotonic() < deadline, [member.partitions() for member in members]
        for member in members:
            member.wait(0.05)


def shared(*members: Consumer) -> bool:
    """Whether the members have all partitions between them, each one once, evenly."""
    owned = [member.partitions() for member in members]
    sizes = sorted(len(each) for each in owned)
    return frozenset().union(*owned) == ALL and sum(sizes) == len(ALL) and sizes[-1] - sizes[0] <= 1


def read(member: Consumer, after: dict[int, dict[str, int]], limit: int = 100) -> list[Entry]:
    found = member.fetch({p: after.get(p, {}) for p in member.partitions()}, limit, 1 << 20)
    for entry in found:
        after.setdefault(entry.partition, {})[entry.topic] = entry.offset
    return found


class ConsumerContract:
    """No "Test" prefix: only subclasses are collected."""

    def test_one_member_has_everything_and_begins_at_the_earliest(self, log: Log, join: Join) -> None:
        log.append(REGISTRY, [(f"k{n}", b"r%d" % n) for n in range(20)])
        log.append(INCENTIVES, [(f"k{n}", b"i%d" % n) for n in range(20)])
        member = join()
        after: dict[int, dict[str, int]] = {}
        seen: list[Entry] = []

        def complete() -> bool:
            seen.extend(read(member, after, limit=7))
            return len(seen) >= 40

        until(complete, member)
        assert sorted(e.value for e in seen) == sorted(b"%s%d" % (t, n) for t in (b"r", b"i") for n in range(20))
        assert read(member, after) == []

    def test_reading_goes_on_from_where_the_caller_says_and_nowhere_else(self, log: Log, join: Join) -> None:
        log.append(REGISTRY, [("a", b"%d" % n) for n in range(10)])
        member = join()
        until(lambda: member.partitions() == ALL, member)
        place = next(p for p, end in log.end_offsets(REGISTRY).items() if end)

        def values(after: int) -> list[bytes]:
            found: list[Entry] = []
            until(lambda: bool(found.extend(member.fetch({place: {REGISTRY: after}}, 3, 1 << 20)) or found), member)
            return [e.value for e in found][:2]

        member.done({place: {REGISTRY: 9}})  # told to the log, but never read from it
        assert values(-1) == [b"0", b"1"]
        assert values(6) == [b"7", b"8"]
        assert values(2) == [b"3", b"4"]

    def test_a_long_partition_is_read_to_its_end_after_the_member_turned_to_others(self, log: Log, join: Join) -> None:
        """What is held back of one partition, while the member looks for another's, must come when its turn comes again."""
        log.append(REGISTRY, [("long", b"%d" % n) for n in range(MORE_THAN_ANYONE_HOLDS)])
        long = partition_of("long", len(ALL))
        key = next(key for key in map(str, range(100)) if partition_of(key, len(ALL)) != long)
        log.append(REGISTRY, [(key, b"short")])
        member = join()
        until(lambda: member.partitions() == ALL, member)
        seen: dict[int, list[int]] = {long: [], partition_of(key, len(ALL)): []}

        def turn_to(place: int, limit: int) -> bool:
            found = member.fetch({place: {REGISTRY: len(seen[place]) - 1}}, limit, 1 << 20)
            seen[place] += [entry.offset for entry in found]
            return bool(found)

        until(lambda: turn_to(long, 1), member)
        until(lambda: turn_to(partition_of(key, len(ALL)), 10), member)
        until(lambda: not turn_to(long, 700) and len(seen[long]) == MORE_THAN_ANYONE_HOLDS, member)
        assert seen[long] == list(range(MORE_THAN_ANYONE_HOLDS))

    def test_members_share_the_partitions_and_who_stays_takes_over(self, log: Log, join: Join) -> None:
        first = join()
        until(lambda: first.partitions() == ALL, first)
        second = join()
        until(lambda: shared(first, second), first, second)
        kept = first.partitions()
        third = join()
        until(lambda: shared(first, second, third), first, second, third)
        assert first.partitions() <= kept or len(first.partitions()) <= 2
        third.close()
        second.close()
        until(lambda: first.partitions() == ALL, first)

    def test_what_arrives_ends_the_wait_of_its_owner(self, log: Log, join: Join) -> None:
        member = join()
        until(lambda: member.partitions() == ALL, member)
        after: dict[int, dict[str, int]] = {}
        assert read(member, after) == []
        log.append(REGISTRY, [("a", b"1")])
        seen: list[Entry] = []
        until(lambda: bool(seen.extend(read(member, after)) or seen), member)
        assert [e.value for e in seen] == [b"1"]

    def test_no_more_is_fetched_than_asked_for(self, log: Log, join: Join) -> None:
        log.append(REGISTRY, [(f"k{n}", bytes(1_000)) for n in range(40)])
        member = join()
        until(lambda: member.partitions() == ALL, member)
        found: list[Entry] = []
        everything = {p: dict[str, int]() for p in ALL}
        until(lambda: bool(found.extend(member.fetch(everything, 5, 1 << 20)) or found), member)
        assert len(found) <= 5
        few: list[Entry] = []
        until(lambda: bool(few.extend(member.fetch(everything, 40, 1_500)) or few), member)
        assert len(few) <= 2
