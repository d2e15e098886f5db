"""The demo on Apache Kafka: the same board as on the embedded log, topics that anyone can read, the same tools."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections import Counter

import pytest
from cloudevents.core.bindings.kafka import KafkaMessage, from_kafka_event
from kafka import KafkaConsumer, TopicPartition

from deploy.local.demo.expected import AS_OF, EXPECTED
from deploy.local.kafka.broker import Kafka
from shared.events.topics import INCENTIVES, INDICATORS, REGISTRY, TOPICS
from tests.system.conftest import StartStack
from tests.system.made import uscc
from tests.system.stack import Stack, wait_until

LONG_MS = 20_000


@pytest.fixture
def demo(stack: StartStack, kafka: Kafka) -> Stack:
    return stack(demo=True, kafka=kafka.bootstrap)


def messages(kafka: Kafka, topic: str) -> list[KafkaMessage]:
    """Everything on a topic now."""
    consumer = KafkaConsumer(bootstrap_servers=kafka.bootstrap, auto_offset_reset="earliest", enable_auto_commit=False)
    places = [TopicPartition(topic, partition) for partition in sorted(consumer.partitions_for_topic(topic))]
    consumer.assign(places)
    ends = consumer.end_offsets(places)
    found: list[KafkaMessage] = []
    while any(consumer.position(place) < ends[place] for place in places):
        polled = consumer.poll(timeout_ms=LONG_MS)
        assert polled, "the topic does not come to its end"
        found += [KafkaMessage(dict(each.headers), each.key, each.value) for listed in polled.values() for each in listed]
    consumer.close()
    return found


def payloads(kafka: Kafka, topic: str) -> Counter[str]:
    """What the topic says now, and how often."""
    return Counter((message.value or b"").decode() for message in messages(kafka, topic))


def test_the_board_is_the_same_as_on_the_embedded_log(demo: Stack) -> None:
    items = demo.get("/metrics/v1/indicators", params={"as_of": AS_OF.isoformat()})["items"]
    shown = {item["id"]: item["value"] for item in items}
    assert {name: shown[name] for name in EXPECTED} == EXPECTED
    assert {item["state"] for item in items} <= {"ok", "provisional", "no_data", "not_applicable"}
    assert demo.run("reconcile").stdout.startswith("0 differences")


@pytest.mark.parametrize("topic", TOPICS)
def test_the_official_sdk_reads_every_message_as_a_cloud_event(demo: Stack, kafka: Kafka, topic: str) -> None:
    demo.settle()
    found = messages(kafka, topic)
    assert len(found) > 40
    for message in found:
        event = from_kafka_event(message)
        assert event.get_attributes()["partitionkey"] == (message.key or b"").decode()
        assert event.get_type().startswith("cn.kechuang.")
        assert event.get_data()


def test_kcat_reads_the_topics(demo: Stack, kafka: Kafka) -> None:
    if shutil.which("kcat") is None:
        pytest.skip("no kcat on this machine: apt-get install kcat")
    demo.settle()
    for topic in (REGISTRY, INCENTIVES):
        before = payloads(kafka, topic)
        command = ["kcat", "-C", "-b", kafka.bootstrap, "-t", topic, "-o", "beginning", "-e", "-q", "-J"]
        lines = subprocess.run(command, capture_output=True, check=True, timeout=60).stdout.splitlines()
        read = [json.loads(line) for line in lines]
        found = Counter(each["payload"] for each in read)
        assert before <= found <= payloads(kafka, topic)  # offers follow registry's events while kcat reads
        assert all(json.loads(each["payload"])["partitionkey"] == each["key"] for each in read)


def test_a_dead_letter_has_its_place_and_is_replayed_from_there(demo: Stack) -> None:
    demo.run("log", "append", REGISTRY, "-", stdin="{broken\n")
    demo.settle()
    listed = demo.run("dead-letters", "list").stdout
    assert f"{REGISTRY}|" in listed
    assert "1 dead letters" in listed
    assert demo.run("dead-letters", "replay").stdout == "1 dead letters replayed\n"
    demo.settle()
    assert "1 dead letters" in demo.run("dead-letters", "list").stdout  # broken still, at its new place
    assert demo.run("dead-letters", "drop", "all").stdout == "1 dead letters dropped\n"
    assert demo.run("dead-letters", "list").stdout == "0 dead letters\n"


def test_a_rebuild_from_kafka_gives_the_same_and_the_clock_and_writes_go_on(demo: Stack) -> None:
    before = demo.indicator("hnte_count")["value"]
    demo.run("rebuild")
    assert demo.indicator("hnte_count")["value"] == before
    firm = {"uscc": uscc(1), "name": "新企业", "town_code": "441502100", "industry_code": "3974", "established_on": "2015-01-01"}
    demo.post("/registry/v1/enterprises", firm)
    demo.post("/registry/v1/hnte-certificates", {"cert_no": "GR202544099999", "uscc": uscc(1), "issued_on": "2025-12-01"})
    wait_until(lambda: demo.indicator("hnte_count")["value"] == before + 1)
    demo.clock_set("2026-07-01T08:00:00+08:00")
    assert demo.indicator("hnte_count")["as_of"] == "2026-07-01"
    assert demo.run("reconcile").stdout.startswith("0 differences")
    assert INDICATORS in TOPICS
