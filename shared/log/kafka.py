"""The log on Apache Kafka, through kafka-python.

Clients are built when they are first used, which is after the fork: they start threads. A consumer belongs to the
thread that reads with it. Only relays, ingest, followers, the publisher and the tools talk to Kafka, no web process.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterable, Sequence
from typing import Any

import structlog
from kafka import KafkaAdminClient, KafkaConsumer, KafkaProducer, TopicPartition
from kafka.admin import ConfigResource, ConfigResourceType
from kafka.errors import KafkaError, TopicAlreadyExistsError

from shared.errors import ConfigError, TooLarge, Unavailable
from shared.events.topics import COMPACTED
from shared.log.interface import Entry, Fence, Item
from shared.log.kafka_buffer import Buffer
from shared.log.kafka_config import LARGEST_BYTES, KafkaConfig
from shared.log.kafka_errors import RETRY_S, translated
from shared.log.placement import partition_of

PUMP_S = 0.1
FETCH_WAIT_MS = 20  # a broker without news must not keep a reader of another partition waiting
LOOK_S = 0.02  # between two looks at the ends while somebody waits
UNKNOWN_TOPIC = 3
HEADERS = [("content-type", b"application/cloudevents+json")]  # CloudEvents' Kafka binding, structured mode
logger = structlog.get_logger(__name__)


class KafkaLog:
    """See `shared.log.interface.Log`."""

    def __init__(self, config: KafkaConfig) -> None:
        config.check()
        self.config = config
        self._lock = threading.RLock()
        self._local = threading.local()
        self._buffers: list[Buffer] = []
        self._producer: KafkaProducer | None = None
        self._known: dict[str, int] = {}

    def append(self, topic: str, items: Sequence[Item], fence: Fence | None = None) -> None:
        """See Log. Raises TooLarge for a value of more than 15 MiB.

        The fence is checked right before sending. A writer that is frozen just there, past its lease, still sends
        when it wakes: entries twice, and older versions after newer ones. See docs/adr on what that can do: nothing,
        since the highest version of a record wins.
        """
        for key, value in items:
            if len(value) > LARGEST_BYTES:
                raise TooLarge(f"a value of {len(value)} bytes under the key {key!r}")
        count = self.partitions(topic)
        placed = [(partition_of(key, count), key.encode("utf-8"), value) for key, value in items]
        if fence is not None:
            fence.check()
        if placed:
            self._send(topic, placed)

    def read(self, topic: str, partition: int, after_offset: int, limit: int) -> list[Entry]:
        """See Log."""
        if limit <= 0:
            return []
        self.partitions(topic)
        place = TopicPartition(self.config.named(topic), partition)
        with translated():
            buffer = self._buffer(place)
            if taken := buffer.take(place, after_offset, limit):
                return taken
            end = self._ends([place])[place]
            deadline = time.monotonic() + self.config.kafka_timeout_s
            while end > after_offset + 1:
                buffer.pump(PUMP_S)
                if taken := buffer.take(place, after_offset, limit):
                    return taken
                if (buffer.consumer.position(place, timeout_ms=self.config.timeout_ms) or 0) >= end:
                    return []  # what is missing was compacted away
                if time.monotonic() > deadline:
                    raise Unavailable(f"{topic} cannot be read", retry_after_s=RETRY_S)
        return []

    def partitions(self, topic: str) -> int:
        """See Log. Makes the topic when there is none; one that exists keeps its number."""
        with self._lock:
            if topic not in self._known:
                with translated():
                    self._known[topic] = self._prepare(topic)
            return self._known[topic]

    def end_offsets(self, topic: str) -> dict[int, int]:
        """See Log."""
        places = [TopicPartition(self.config.named(topic), partition) for partition in range(self.partitions(topic))]
        with translated():
            return {place.partition: end for place, end in self._ends(places).items()}

    def identity(self, topic: str) -> str:
        """See Log. Makes the topic when there is none: whoever settles on it may be the first to come."""
        self.partitions(topic)
        with translated(), self._admin() as admin:
            found = admin.describe_topics([self.config.named(topic)])[0]
        with self._lock:
            if found["error_code"] or not found["partitions"]:  # then its id is all zeros, which is nobody's
                self._known.pop(topic, None)
                raise Unavailable(f"{topic} has no description yet", retry_after_s=RETRY_S)
            self._known[topic] = len(found["partitions"])  # somebody may have added some
        return str(found["topic_id"])

    def wait(self, topics: Sequence[str], timeout_s: float) -> None:
        """See Log. Whoever consumes for a living waits on its `Consumer` instead, which the broker wakes."""
        seen: dict[str, dict[int, int]] = self._seen()
        deadline = time.monotonic() + timeout_s
        while True:
            ends = {topic: self.end_offsets(topic) for topic in topics}
            grown = any(seen.get(topic) != found for topic, found in ends.items())
            seen.update(ends)
            left = deadline - time.monotonic()
            if grown or left <= 0:
                return
            time.sleep(min(LOOK_S, left))

    def close(self) -> None:
        """End all clients; the log can be used again."""
        with self._lock:
            self._drop_producer(self._producer)
            for buffer in self._buffers:
                buffer.consumer.close(autocommit=False, timeout_ms=1_000)
            self._buffers.clear()
            self._local = threading.local()

    def _send(self, topic: str, placed: Iterable[tuple[int, bytes, bytes]]) -> None:
        with translated():
            producer, name = self._open_producer(), self.config.named(topic)
            try:
                sent = [
                    producer.send(name, value=value, key=key, partition=partition, headers=HEADERS)
                    for partition, key, value in placed
                ]
                deadline = time.monotonic() + self.config.kafka_timeout_s * 2  # past the delivery's own
                for each in sent:
                    each.get(timeout=max(0.0, deadline - time.monotonic()))
            except BaseException:
                # What is still under way must not overtake what is sent again: away with this producer.
                self._drop_producer(producer)
                with self._lock:
                    self._known.pop(topic, None)  # the topic may be gone with the disk
                raise

    def _open_producer(self) -> KafkaProducer:
        with self._lock:
            if self._producer is None:
                self._producer = KafkaProducer(**self.config.producer())
            return self._producer

    def _drop_producer(self, producer: Any) -> None:
        with self._lock:
            present = self._producer == producer
            if present:
                self._producer = None
        if producer is not None and present:
            producer.close(timeout=0)

    def _buffer(self, place: TopicPartition) -> Buffer:
        """This thread's consumer, with `place` assigned to it."""
        buffer: Buffer | None = getattr(self._local, "buffer", None)
        if buffer is None:
            buffer = self._local.buffer = Buffer(
                KafkaConsumer(**self.config.consumer(), fetch_max_wait_ms=FETCH_WAIT_MS), self.config.kafka_prefix
            )
            with self._lock:
                self._buffers.append(buffer)
        assigned = buffer.consumer.assignment()
        if place not in assigned:
            buffer.consumer.assign(sorted(assigned | {place}))
        return buffer

    def _ends(self, places: list[TopicPartition]) -> dict[TopicPartition, int]:
        consumer = self._buffer(places[0]).consumer
        found: dict[TopicPartition, int] = consumer.end_offsets(places, timeout_ms=self.config.timeout_ms)
        return found

    def _seen(self) -> dict[str, dict[int, int]]:
        if not hasattr(self._local, "seen"):
            self._local.seen = {}
        found: dict[str, dict[int, int]] = self._local.seen
        return found

    def _admin(self) -> _Admin:
        return _Admin(self.config)

    def _prepare(self, topic: str) -> int:
        with self._admin() as admin:
            name = self.config.named(topic)
            found = admin.describe_topics([name])[0]
            if found["error_code"] == UNKNOWN_TOPIC:
                self._make(admin, topic)
                found = admin.describe_topics([name])[0]
            if found["error_code"] or not found["partitions"]:
                raise Unavailable(f"{topic} has no description yet", retry_after_s=RETRY_S)
            self._demand_kept(admin, topic)
            return len(found["partitions"])

    def _make(self, admin: KafkaAdminClient, topic: str) -> None:
        try:
            made = {self.config.named(topic): self.config.topic(topic)}
            admin.create_topics(made, timeout_ms=self.config.timeout_ms, wait_for_metadata=True)
            logger.info("made a topic", topic=topic, partitions=self.config.kafka_partitions)
        except TopicAlreadyExistsError:  # another process made it in the same instant
            pass

    def _demand_kept(self, admin: KafkaAdminClient, topic: str) -> None:
        """A service topic that forgets would lose records without a word."""
        if topic in COMPACTED:
            return
        name = self.config.named(topic)
        configured = self.config.topic(topic)["configs"]
        wanted = ConfigResource(ConfigResourceType.TOPIC, name, dict.fromkeys(configured))
        told = admin.describe_configs([wanted], config_filter="all")["topic"][name]
        policy = told["cleanup.policy"]["value"]
        if "compact" in policy:
            raise ConfigError(f"{topic} has cleanup.policy={policy}: a key is a subject, not a record, and must keep all its entries")
        others = {key: told[key]["value"] for key, value in configured.items() if told[key]["value"] != value}
        if others:  # made by other hands: with a broker's defaults it forgets after a week and takes no large value
            logger.warning("a topic has other settings than it would be made with", topic=topic, settings=others)


class _Admin:
    """An administration client for the length of a block."""

    def __init__(self, config: KafkaConfig) -> None:
        self._config = config

    def __enter__(self) -> KafkaAdminClient:
        self._client = KafkaAdminClient(**self._config.client())
        return self._client

    def __exit__(self, *_: object) -> None:
        try:
            self._client.close()
        except KafkaError as unclean:
            logger.info("an administration client did not close cleanly", reason=type(unclean).__name__)

