"""Consuming topics for a living: several processes share the partitions, each follows those that are its own.

The position of a partition is the caller's truth: it stands in the caller's database and moves in the same transaction
as what was made of the entries (`shared.log.positions`). So membership may be wrong for a while, as it is for a
process that was frozen: its transaction fails, and nothing is done twice.

    while running:
        mine = consumer.partitions()                    # call it before each batch: it keeps the membership alive
        entries = consumer.fetch({p: stored[p].offsets for p in mine}, limit=500, limit_bytes=2 << 20)
        with one transaction: keep what follows from them; positions.advance(session, stored[p], …) for each partition
        consumer.done(…)                                # for the operators' tools only
        if not entries: consumer.wait(1.0)
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Protocol

from shared.errors import ConfigError
from shared.log.interface import BEFORE_FIRST, Entry, Log

Offsets = Mapping[str, int]  # topic -> last offset that was dealt with


class Consumer(Protocol):
    """One member of a group. Not thread safe. Raises Unavailable when the log cannot answer."""

    topics: Sequence[str]

    def partitions(self) -> frozenset[int]:
        """The partitions that are this member's now, each in all topics: a key's entries come to one member."""
        ...

    def fetch(self, after: Mapping[int, Offsets], limit: int, limit_bytes: int) -> list[Entry]:
        """Entries of the partitions named, each after the offsets given (-1: from the first on), in order.

        At least one if there is one here; empty does not mean that there are no more: `wait`, then ask again.
        """
        ...

    def wait(self, timeout_s: float) -> None:
        """Return when there may be something to fetch or the partitions may have changed, or time is up."""
        ...

    def done(self, offsets: Mapping[int, Offsets]) -> None:
        """Tell the log how far the caller is, after its transaction; nothing is ever read from there."""
        ...

    def close(self) -> None:
        """Leave the group: the others take over at once."""
        ...


def common_partitions(log: Log, topics: Iterable[str]) -> int:
    """How many partitions each of the topics has. Raises ConfigError when they differ: a key would be torn apart."""
    counts = {topic: log.partitions(topic) for topic in topics}
    if len(set(counts.values())) != 1:
        told = ", ".join(f"{topic} {count}" for topic, count in counts.items())
        raise ConfigError(f"topics that are consumed together must have the same number of partitions: {told}")
    return next(iter(counts.values()))


class WholeLog:
    """A consumer of all partitions, alone: for a rebuild, for tools and tests."""

    def __init__(self, log: Log, topics: Sequence[str]) -> None:
        self.log = log
        self.topics = topics
        self._turn = 0

    def partitions(self) -> frozenset[int]:
        """See Consumer."""
        return frozenset(range(common_partitions(self.log, self.topics)))

    def fetch(self, after: Mapping[int, Offsets], limit: int, limit_bytes: int) -> list[Entry]:
        """See Consumer. Empty only when everything was read."""
        places = [
            (topic, partition)
            for topic in self.topics
            for partition, end in sorted(self.log.end_offsets(topic).items())
            if partition in after and end - 1 > after[partition].get(topic, BEFORE_FIRST)
        ]
        self._turn += 1

        def read(place: tuple[str, int], room: int) -> list[Entry]:
            topic, partition = place
            return self.log.read(topic, partition, after[partition].get(topic, BEFORE_FIRST), room)

        return collect(turned(places, self._turn), limit, limit_bytes, read)

    def wait(self, timeout_s: float) -> None:
        """See Consumer."""
        self.log.wait(self.topics, timeout_s)

    def done(self, offsets: Mapping[int, Offsets]) -> None:
        """Nobody asks."""

    def close(self) -> None:
        """Nothing to leave."""


class Read(Protocol):
    """Reads up to `room` entries of a (topic, partition)."""

    def __call__(self, place: tuple[str, int], room: int) -> list[Entry]:
        """Entries in order."""
        ...


def turned(places: list[tuple[str, int]], turn: int) -> list[tuple[str, int]]:
    """The same, beginning elsewhere: a partition with much to read must not keep the others waiting for ever."""
    begin = turn % len(places) if places else 0
    return places[begin:] + places[:begin]


def collect(places: Iterable[tuple[str, int]], limit: int, limit_bytes: int, read: Read) -> list[Entry]:
    """Entries place by place until there are `limit`, or their values have `limit_bytes`."""
    found: list[Entry] = []
    left = limit_bytes
    for place in places:
        if len(found) >= limit or left <= 0:
            break
        for entry in read(place, limit - len(found)):
            found.append(entry)
            left -= len(entry.value)
            if left <= 0:
                break
    return found
