"""What a Kafka consumer has fetched and nobody has read yet.

The caller says after which offset it wants to read, since the truth about positions is its own; the buffer goes on
from there if that is where it stands, and seeks otherwise.
"""

from __future__ import annotations

import sys
from collections import deque
from typing import Any

import structlog
from kafka import KafkaConsumer, TopicPartition

from shared.events.topics import COMPACTED
from shared.log.interface import Entry

FULL_ENTRIES, FULL_BYTES = 4_000, 8 << 20  # of one partition; past that it is paused
# All that an answer brought, at most 1 MiB of each partition. kafka-python 3.0 parks what a poll left over of a partition
# that is then paused, and may never bring it back: it looks at the parked only while it has no partition in hand, and one
# that it has read to the end stays in its hand. Until then it fetches nothing of the parked one either.
POLL_RECORDS = sys.maxsize
logger = structlog.get_logger(__name__)


class Buffer:
    """Entries by partition. Not thread safe, like the consumer."""

    def __init__(self, consumer: KafkaConsumer, prefix: str = "") -> None:
        self.consumer = consumer
        self._prefix = prefix  # of topics in the cluster
        self._waiting: dict[TopicPartition, deque[Entry]] = {}
        self._bytes: dict[TopicPartition, int] = {}
        self._next: dict[TopicPartition, int] = {}

    def take(self, place: TopicPartition, after_offset: int, limit: int) -> list[Entry]:
        """What is here of the entries after `after_offset`; fetching goes on from there."""
        if self._next.get(place) != after_offset + 1:
            self._seek(place, after_offset + 1)
        waiting = self._waiting[place]
        taken = [waiting.popleft() for _ in range(min(limit, len(waiting)))]
        if taken:
            self._next[place] = taken[-1].offset + 1
            self._bytes[place] -= sum(len(entry.value) for entry in taken)
            if not self._full(place):
                self.consumer.resume(place)
        return taken

    def pump(self, timeout_s: float) -> bool:
        """Fetch; whether anything came."""
        found = self.consumer.poll(timeout_ms=int(timeout_s * 1000), max_records=POLL_RECORDS)
        for place, records in found.items():
            if place in self._next:
                self._keep(place, records)
        return bool(found)

    def forget(self, places: set[TopicPartition]) -> None:
        """Drop partitions that are not read here any more."""
        for place in places:
            for kept in (self._waiting, self._bytes, self._next):
                kept.pop(place, None)

    def holds(self, place: TopicPartition) -> bool:
        """Whether entries wait."""
        return bool(self._waiting.get(place))

    def _keep(self, place: TopicPartition, records: list[Any]) -> None:
        # After a lost range the client starts at the earliest entry: nothing before what was asked for may pass.
        entries = [entry_of(record, self._prefix) for record in records if record.offset >= self._next[place]]
        self._tell_of_loss(place, entries)
        self._waiting[place].extend(entries)
        self._bytes[place] += sum(len(entry.value) for entry in entries)
        if self._full(place):
            self.consumer.pause(place)

    def _tell_of_loss(self, place: TopicPartition, entries: list[Entry]) -> None:
        """Say so when a topic that is never compacted has forgotten what nobody here had read: retention passed a reader."""
        waiting = self._waiting[place]
        expected = waiting[-1].offset + 1 if waiting else self._next[place]
        if entries and expected < entries[0].offset and entries[0].topic not in COMPACTED:
            logger.error(
                "entries were gone before they were read", topic=entries[0].topic, partition=place.partition,
                first=expected, last=entries[0].offset - 1,
            )

    def _seek(self, place: TopicPartition, offset: int) -> None:
        self.consumer.seek(place, offset)
        self.consumer.resume(place)
        self._waiting[place], self._bytes[place], self._next[place] = deque(), 0, offset

    def _full(self, place: TopicPartition) -> bool:
        return len(self._waiting[place]) >= FULL_ENTRIES or self._bytes[place] >= FULL_BYTES


def entry_of(record: Any, prefix: str = "") -> Entry:
    """A record as an entry: no key reads as the empty one, no value as no bytes; both are poison further on."""
    key = (record.key or b"").decode("utf-8", "replace")
    return Entry(record.topic.removeprefix(prefix), record.partition, record.offset, key, record.value or b"")
