"""The log on Kafka keeps the contract of every log, and what is its own."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, suppress
from dataclasses import replace
from pathlib import Path
from uuid import UUID

import pytest
from kafka import KafkaAdminClient, KafkaProducer, TopicPartition
from kafka.admin import ConfigResource, ConfigResourceType
from structlog.testing import capture_logs

from deploy.local.kafka.broker import Kafka
from deploy.local.kafka.jars import missing_tools
from shared.errors import ConfigError, TooLarge, Unavailable
from shared.events.topics import INDICATORS, REGISTRY
from shared.log.interface import BEFORE_FIRST
from shared.log.kafka import KafkaLog
from shared.log.kafka_config import LARGEST_BYTES, KafkaConfig
from shared.log.kafka_group import KafkaGroup
from tests.contract import secured
from tests.contract.consumer_contract import TOPICS, ConsumerContract, Join
from tests.contract.log_contract import LogContract, all_of
from tests.system.stack import wait_until

IMPATIENT_S = 1.0


@pytest.fixture
def config(kafka: Kafka, database_name: str) -> KafkaConfig:
    return KafkaConfig(kafka.bootstrap, kafka_prefix=f"{database_name}.")


@pytest.fixture
def log(config: KafkaConfig) -> Iterator[KafkaLog]:
    opened = KafkaLog(config)
    yield opened
    opened.close()


@pytest.fixture(scope="module")
def secure(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Kafka, KafkaConfig]]:
    """A broker of this module's own, and how to reach its guarded listener."""
    if lacking := missing_tools():
        pytest.skip(lacking)
    cluster, certificate = secured.start(Path(tmp_path_factory.mktemp("secured")))
    with cluster:
        yield cluster, KafkaConfig(
            cluster.bootstrap_of(secured.LISTENER), kafka_security_protocol="SASL_SSL", kafka_username=secured.USER,
            kafka_password=secured.PASSWORD, kafka_ca_file=str(certificate), kafka_timeout_s=5.0,
        )


def settings_of(cluster: Kafka, topic: str) -> dict[str, str]:
    admin = KafkaAdminClient(bootstrap_servers=cluster.bootstrap)
    try:
        told = admin.describe_configs([ConfigResource(ConfigResourceType.TOPIC, topic)], config_filter="all")
        return {name: entry["value"] for name, entry in told["topic"][topic].items()}
    finally:
        admin.close()


@pytest.fixture
def join(log: KafkaLog, config: KafkaConfig) -> Iterator[Join]:
    for topic in TOPICS:
        log.partitions(topic)
    members: list[KafkaGroup] = []

    def enter() -> KafkaGroup:
        members.append(KafkaGroup(replace(config, kafka_session_s=6.0), "group", TOPICS))
        return members[-1]

    yield enter
    for member in members:
        member.close()


class TestKafkaGroup(ConsumerContract):
    pass


class TestKafkaLog(LogContract):
    def test_a_topic_keeps_the_partitions_it_was_made_with(self, log: KafkaLog, config: KafkaConfig) -> None:
        assert log.partitions(REGISTRY) == 4
        with closing(KafkaLog(replace(config, kafka_partitions=9))) as another:
            assert another.partitions(REGISTRY) == 4

    def test_many_may_make_a_topic_at_once(self, config: KafkaConfig) -> None:
        logs = [KafkaLog(config) for _ in range(4)]
        with ThreadPoolExecutor(4) as pool:
            list(pool.map(lambda each: each.append(REGISTRY, [("a", b"1")]), logs))
        assert len(all_of(logs[0])) == 4
        for each in logs:
            each.close()

    def test_service_topics_are_kept_for_ever_and_only_indicators_are_compacted(self, log: KafkaLog, kafka: Kafka) -> None:
        log.partitions(REGISTRY)
        log.partitions(INDICATORS)
        kept = settings_of(kafka, log.config.named(REGISTRY))
        assert (kept["cleanup.policy"], kept["retention.ms"], kept["retention.bytes"]) == ("delete", "-1", "-1")
        assert settings_of(kafka, log.config.named(INDICATORS))["cleanup.policy"] == "compact"

    def test_a_service_topic_that_forgets_is_refused(self, log: KafkaLog, kafka: Kafka) -> None:
        admin = KafkaAdminClient(bootstrap_servers=kafka.bootstrap)
        forgetful = {"num_partitions": 1, "replication_factor": 1, "configs": {"cleanup.policy": "compact"}}
        admin.create_topics({log.config.named(REGISTRY): forgetful})
        admin.close()
        with pytest.raises(ConfigError, match="compact"):
            log.append(REGISTRY, [("a", b"1")])

    def test_a_topic_that_was_made_by_others_with_other_settings_is_told_of(self, log: KafkaLog, config: KafkaConfig) -> None:
        log.partitions(REGISTRY)
        with closing(KafkaLog(replace(config, kafka_retention_ms=3_600_000))) as other, capture_logs() as told:
            other.partitions(REGISTRY)
            log.identity(REGISTRY)
        assert [(each["topic"], each["settings"]) for each in told if "settings" in each] == [(REGISTRY, {"retention.ms": "-1"})]

    def test_entries_that_retention_took_before_they_were_read_are_told_of(self, log: KafkaLog, kafka: Kafka) -> None:
        log.append(REGISTRY, [("a", b"%d" % n) for n in range(5)])
        (partition,) = [p for p, end in log.end_offsets(REGISTRY).items() if end]
        admin = KafkaAdminClient(bootstrap_servers=kafka.bootstrap)
        try:
            admin.delete_records({TopicPartition(log.config.named(REGISTRY), partition): 3})
        finally:
            admin.close()
        with capture_logs() as told:
            assert [entry.offset for entry in log.read(REGISTRY, partition, 0, 10)] == [3, 4]
        assert [(each["first"], each["last"]) for each in told if "first" in each] == [(1, 2)]

    def test_entries_of_others_without_key_or_value_are_read_all_the_same(self, log: KafkaLog, kafka: Kafka) -> None:
        log.partitions(REGISTRY)
        producer = KafkaProducer(bootstrap_servers=kafka.bootstrap)
        for key, value in ((None, b"1"), (b"\xff", b"2"), (b"k", None)):
            producer.send(log.config.named(REGISTRY), key=key, value=value, partition=0).get(10)
        producer.close()
        assert [(e.key, e.value) for e in log.read(REGISTRY, 0, BEFORE_FIRST, 10)] == [("", b"1"), ("\ufffd", b"2"), ("k", b"")]

    def test_a_value_that_is_too_large_is_refused_before_anything_is_added(self, log: KafkaLog) -> None:
        with pytest.raises(TooLarge):
            log.append(REGISTRY, [("a", b"1"), ("b", bytes(LARGEST_BYTES + 1))])
        assert all_of(log) == []

    def test_the_largest_value_arrives(self, log: KafkaLog) -> None:
        log.append(REGISTRY, [("a", bytes(LARGEST_BYTES))])
        assert [len(e.value) for e in all_of(log)] == [LARGEST_BYTES]

    def test_a_topic_made_anew_has_another_identity(self, log: KafkaLog, kafka: Kafka) -> None:
        log.partitions(REGISTRY)
        before = log.identity(REGISTRY)
        log.partitions(INDICATORS)
        assert before == log.identity(REGISTRY) != log.identity(INDICATORS)

    def test_who_settles_on_a_topic_may_be_the_first_to_come(self, log: KafkaLog) -> None:
        assert log.identity(REGISTRY) == log.identity(REGISTRY)

    def test_a_topic_that_is_gone_is_made_anew_and_never_without_identity(self, log: KafkaLog, kafka: Kafka) -> None:
        known = {log.identity(REGISTRY)}
        admin = KafkaAdminClient(bootstrap_servers=kafka.bootstrap)
        try:
            admin.delete_topics([log.config.named(REGISTRY)])
        finally:
            admin.close()

        def another() -> bool:
            with suppress(Unavailable):  # while the broker does not know of it
                known.add(log.identity(REGISTRY))
            return len(known) == 2

        wait_until(another, 60, "the topic is made anew")
        assert str(UUID(int=0)) not in known
        assert {str(UUID(each)) for each in known} == known

    def test_partitions_that_were_added_are_noticed_with_the_identity(self, log: KafkaLog, kafka: Kafka) -> None:
        assert log.partitions(REGISTRY) == 4
        admin = KafkaAdminClient(bootstrap_servers=kafka.bootstrap)
        try:
            admin.create_partitions({log.config.named(REGISTRY): 6})
        finally:
            admin.close()
        log.identity(REGISTRY)
        assert log.partitions(REGISTRY) == 6


def test_a_broker_that_is_away_is_called_unavailable_in_time() -> None:
    nowhere = KafkaLog(KafkaConfig("localhost:1", kafka_timeout_s=IMPATIENT_S))
    for ask in (
        lambda: nowhere.append(REGISTRY, [("a", b"1")]),
        lambda: nowhere.read(REGISTRY, 0, BEFORE_FIRST, 1),
        lambda: nowhere.end_offsets(REGISTRY),
        lambda: nowhere.wait([REGISTRY], 0.1),
    ):
        with pytest.raises(Unavailable):
            ask()
    nowhere.close()


def test_a_guarded_broker_is_reached_by_tls_and_scram(secure: tuple[Kafka, KafkaConfig]) -> None:
    _, config = secure
    log = KafkaLog(config)
    log.append(REGISTRY, [("甲", "密".encode())])
    assert [(e.key, e.value) for e in all_of(log)] == [("甲", "密".encode())]
    log.close()


def test_a_wrong_password_adds_nothing(secure: tuple[Kafka, KafkaConfig]) -> None:
    config = replace(secure[1], kafka_prefix="refused.")
    wrong = KafkaLog(replace(config, kafka_password="wrong", kafka_timeout_s=IMPATIENT_S))
    with closing(wrong), pytest.raises((ConfigError, Unavailable)):
        wrong.append(REGISTRY, [("a", b"1")])
    with closing(KafkaLog(config)) as log:
        assert all_of(log) == []


def test_what_was_acknowledged_outlives_a_killed_broker_and_the_same_log_goes_on(secure: tuple[Kafka, KafkaConfig]) -> None:
    cluster, config = secure
    log = KafkaLog(replace(config, kafka_prefix="killed.", kafka_timeout_s=2.0))
    log.append(REGISTRY, [("a", b"1")])
    cluster.kill(cluster.nodes[0])
    with pytest.raises(Unavailable):
        log.append(REGISTRY, [("a", b"2")])
    with pytest.raises(Unavailable):
        log.end_offsets(REGISTRY)
    cluster.start(cluster.nodes[0])
    cluster.await_ready()
    log.append(REGISTRY, [("a", b"2")])
    assert [e.value for e in all_of(log)] == [b"1", b"2"]
    log.close()
