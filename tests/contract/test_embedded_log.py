"""The embedded log keeps the contract of every log, and what is its own."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from pymongo import MongoClient
from pymongo.errors import OperationFailure

from shared.errors import ConfigError, TooLarge, Unavailable
from shared.events.topics import INDICATORS, REGISTRY
from shared.log.append import append_file, key_of
from shared.log.embedded import LARGEST_BYTES, EmbeddedLog
from shared.log.embedded_group import EmbeddedGroup
from shared.log.interface import BEFORE_FIRST
from shared.log.open import open_log
from shared.mongo import Client
from tests.contract.consumer_contract import TOPICS, ConsumerContract, Join
from tests.contract.log_contract import LogContract, all_of


@pytest.fixture
def log(mongo: Client, database_name: str) -> Iterator[EmbeddedLog]:
    opened = EmbeddedLog(mongo, database_name)
    yield opened
    opened.close()


@pytest.fixture
def join(log: EmbeddedLog) -> Iterator[Join]:
    members: list[EmbeddedGroup] = []

    def enter() -> EmbeddedGroup:
        members.append(EmbeddedGroup(log, "group", TOPICS, session_s=0.5))
        return members[-1]

    yield enter
    for member in members:
        member.close()


class TestEmbeddedGroup(ConsumerContract):
    pass


class TestEmbeddedLog(LogContract):
    def test_a_topic_keeps_the_partitions_it_was_made_with(self, log: EmbeddedLog, mongo: Client, database_name: str) -> None:
        assert log.partitions(REGISTRY) == 4
        assert EmbeddedLog(mongo, database_name, partitions=9).partitions(REGISTRY) == 4

    def test_many_may_make_a_topic_at_once(self, mongo: Client, database_name: str) -> None:
        logs = [EmbeddedLog(mongo, database_name) for _ in range(6)]
        with ThreadPoolExecutor(6) as pool:
            list(pool.map(lambda each: each.append(REGISTRY, [("a", b"1")]), logs))
        assert len(all_of(logs[0])) == 6

    def test_an_append_that_breaks_off_leaves_nothing_and_no_gap(
        self, log: EmbeddedLog, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        log.append(REGISTRY, [("a", b"0")])
        take = EmbeddedLog._take

        def fail_later(self: EmbeddedLog, session: object, topic: str, partition: int, count: int) -> int:
            first = take(self, session, topic, partition, count)  # type: ignore[arg-type]
            if partition > 1:
                raise OperationFailure("injected")
            return first

        monkeypatch.setattr(EmbeddedLog, "_take", fail_later)
        with pytest.raises(OperationFailure):
            log.append(REGISTRY, [(f"k{n}", b"lost") for n in range(20)])
        monkeypatch.undo()
        log.append(REGISTRY, [(f"k{n}", b"kept") for n in range(20)])
        assert sorted(e.value for e in all_of(log)) == sorted([b"0", *[b"kept"] * 20])
        assert sum(log.end_offsets(REGISTRY).values()) == 21

    def test_a_transient_conflict_is_tried_again(self, log: EmbeddedLog, monkeypatch: pytest.MonkeyPatch) -> None:
        take, failures = EmbeddedLog._take, [1, 2]

        def conflict_twice(self: EmbeddedLog, session: object, topic: str, partition: int, count: int) -> int:
            first = take(self, session, topic, partition, count)  # type: ignore[arg-type]
            if failures:
                failures.pop()
                raise OperationFailure("injected", 112, {"errorLabels": ["TransientTransactionError"]})
            return first

        monkeypatch.setattr(EmbeddedLog, "_take", conflict_twice)
        log.append(REGISTRY, [("a", b"1")])
        assert [(e.offset, e.value) for e in all_of(log)] == [(0, b"1")]

    def test_a_value_that_no_document_holds_is_refused_before_anything_is_added(self, log: EmbeddedLog) -> None:
        with pytest.raises(TooLarge):
            log.append(REGISTRY, [("a", b"1"), ("b", bytes(LARGEST_BYTES + 1))])
        assert all_of(log) == []

    def test_a_compacted_topic_forgets_what_a_later_value_replaced(self, mongo: Client, database_name: str) -> None:
        log = EmbeddedLog(mongo, database_name, partitions=1, compaction_lag=3)
        log.append(INDICATORS, [("once", b"0")])
        for n in range(1, 10):
            log.append(INDICATORS, [("often", b"%d" % n)])
        entries = log.read(INDICATORS, 0, BEFORE_FIRST, 100)
        assert [e.value for e in entries] == [b"0", b"6", b"7", b"8", b"9"]
        assert log.end_offsets(INDICATORS) == {0: 10}

    def test_a_lost_database_is_called_unavailable(self) -> None:
        with MongoClient("mongodb://127.0.0.1:1/?serverSelectionTimeoutMS=10", tz_aware=True) as client:
            nowhere = EmbeddedLog(client)
            with pytest.raises(Unavailable):
                nowhere.read(REGISTRY, 0, BEFORE_FIRST, 1)
            with pytest.raises(Unavailable):
                nowhere.append(REGISTRY, [("a", b"")])


def test_the_log_of_a_deployment_is_named_by_its_environment(mongo: Client, database_name: str) -> None:
    open_log({"DB_PREFIX": database_name}, mongo).append(REGISTRY, [("a", b"1")])
    assert len(all_of(EmbeddedLog(mongo, f"{database_name}_log"))) == 1
    mongo.drop_database(f"{database_name}_log")
    assert type(open_log({"KAFKA_BOOTSTRAP": "somewhere:9092"}, mongo)).__name__ == "KafkaLog"


def test_settings_of_kafka_that_do_not_fit_together_are_all_named_at_once(mongo: Client) -> None:
    wrong = {"KAFKA_SECURITY_PROTOCOL": "SASL_SSL", "KAFKA_SASL_MECHANISM": "none", "KAFKA_MIN_INSYNC": "2"}
    with pytest.raises(ConfigError) as found:
        open_log({"KAFKA_BOOTSTRAP": "somewhere:9092", **wrong}, mongo)
    for name in ("KAFKA_SASL_MECHANISM", "KAFKA_USERNAME", "KAFKA_PASSWORD", "KAFKA_MIN_INSYNC"):
        assert name in found.value.message


def test_a_file_is_appended_line_by_line_as_given(log: EmbeddedLog, tmp_path: Path) -> None:
    lines = [b'{"specversion": "1.0", "partitionkey": "\xe7\x94\xb2"}', b"{broken", b"\xff\xfe", b"[1]"]
    file = tmp_path / "events.ndjson"
    file.write_bytes(b"\n".join(lines) + b"\r\n\n")
    assert append_file(log, REGISTRY, file) == 4
    assert sorted(e.value for e in all_of(log)) == sorted(lines)
    assert sorted(e.key for e in all_of(log)) == ["", "", "", "甲"]


@pytest.mark.parametrize(
    ("line", "key"),
    [
        (b'{"specversion": "1.0", "partitionkey": "k"}', "k"),
        (b'{"partitionkey": "k"}', ""),
        (b'{"specversion": "1.0"}', ""),
        (b'{"specversion": "1.0", "partitionkey": 7}', ""),
        (b'{"specversion": "1.0", "partitionkey": "\\ud800"}', ""),
        (b'{"specversion": "1.0", "partitionkey": ' + b"[" * 100_000, ""),
        (b"null", ""),
    ],
)
def test_only_a_cloud_event_has_a_key(line: bytes, key: str) -> None:
    assert key_of(line) == key
