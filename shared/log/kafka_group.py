"""A member of a Kafka consumer group."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import structlog
from kafka import KafkaConsumer, OffsetAndMetadata, TopicPartition

from shared.log.consumer import Offsets, collect, turned
from shared.log.copartition import CoPartitionAssignor
from shared.log.interface import BEFORE_FIRST, Entry
from shared.log.kafka_buffer import Buffer
from shared.log.kafka_config import KafkaConfig
from shared.log.kafka_errors import translated

HEARTBEATS_A_SESSION = 5
CLOSE_MS = 2_000
logger = structlog.get_logger(__name__)


class KafkaGroup:
    """See `shared.log.consumer.Consumer`. The consumer starts with the first call, so after the fork."""

    def __init__(self, config: KafkaConfig, group: str, topics: Sequence[str]) -> None:
        config.check()
        self.config = config
        self.group = group
        self.topics = topics
        self._named = {topic: config.named(topic) for topic in topics}
        self._buffer: Buffer | None = None
        self._places: frozenset[TopicPartition] = frozenset()
        self._turn = 0

    def partitions(self) -> frozenset[int]:
        """See Consumer."""
        with translated():
            self._pump(0.0)
        return frozenset(
            place.partition for place in self._places
            if all(TopicPartition(name, place.partition) in self._places for name in self._named.values())
        )

    def fetch(self, after: Mapping[int, Offsets], limit: int, limit_bytes: int) -> list[Entry]:
        """See Consumer."""
        places = [
            (topic, partition) for topic, name in self._named.items() for partition in sorted(after)
            if TopicPartition(name, partition) in self._places
        ]
        self._turn += 1

        def read(place: tuple[str, int], room: int) -> list[Entry]:
            topic, partition = place
            start = after[partition].get(topic, BEFORE_FIRST)
            return self._open().take(TopicPartition(self._named[topic], partition), start, room)

        with translated():
            return collect(turned(places, self._turn), limit, limit_bytes, read)

    def wait(self, timeout_s: float) -> None:
        """See Consumer."""
        with translated():
            self._pump(timeout_s)

    def done(self, offsets: Mapping[int, Offsets]) -> None:
        """See Consumer: what `kafka-consumer-groups` shows as the group's lag."""
        told = {
            TopicPartition(self._named[topic], partition): OffsetAndMetadata(offset + 1, "", -1)
            for partition, each in offsets.items() for topic, offset in each.items() if topic in self._named
        }
        with translated():
            self._open().consumer.commit_async({p: o for p, o in told.items() if p in self._places}, callback=_told)

    def close(self) -> None:
        """See Consumer."""
        if self._buffer is not None:
            with translated():
                self._buffer.consumer.close(autocommit=False, timeout_ms=CLOSE_MS)
            self._buffer, self._places = None, frozenset()

    def _open(self) -> Buffer:
        if self._buffer is None:
            session_ms = int(self.config.kafka_session_s * 1000)
            consumer = KafkaConsumer(
                **self.config.consumer(), group_id=self.config.named(self.group),
                partition_assignment_strategy=[CoPartitionAssignor(lambda: consumer.assignment())],
                session_timeout_ms=session_ms, heartbeat_interval_ms=session_ms // HEARTBEATS_A_SESSION,
            )
            consumer.subscribe(list(self._named.values()))
            for name in self._named.values():  # a leader that does not know the topics yet would give nobody anything
                consumer.partitions_for_topic(name)
            self._buffer = Buffer(consumer, self.config.kafka_prefix)
        return self._buffer

    def _pump(self, timeout_s: float) -> None:
        buffer = self._open()
        buffer.pump(timeout_s)
        _finish_joining(buffer.consumer)
        places = frozenset(buffer.consumer.assignment())
        if places != self._places:
            buffer.forget(set(self._places - places))
            if come := places - self._places:
                buffer.consumer.pause(*come)  # until someone says from where
            logger.info("partitions assigned", group=self.group, partitions=sorted({place.partition for place in places}))
            self._places = places


def _finish_joining(consumer: KafkaConsumer) -> None:
    """kafka-python 3.0 forgets a join whose poll timed out between its two steps, and sits in the group with nothing.

    A join that is left over while no other is wanted is asked for once more; the next poll takes its result.
    """
    coordinator = consumer._coordinator
    if coordinator._join_task is not None and not coordinator.need_rejoin():
        coordinator.request_rejoin()


def _told(_offsets: object, answer: object) -> None:
    """The broker's answer to a commit; a failure hurts nobody, since positions are kept elsewhere."""
    if isinstance(answer, Exception):
        logger.info("the group's offsets were not noted", reason=type(answer).__name__)
