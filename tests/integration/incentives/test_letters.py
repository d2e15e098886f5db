"""What incentives' follower cannot read: kept as metrics keeps it, and too much of it stops a partition, not the others."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from deploy.backup.resume import begin_new_log
from services.incentives.following import main
from services.incentives.following.main import Follower
from shared.events.topics import REGISTRY
from shared.log.dead_letters import DeadLetters
from shared.log.placement import partition_of
from shared.telemetry import gauge
from tests.integration.incentives.conftest import District
from tests.integration.incentives.test_offers import firm
from tests.system.made import uscc

POISONED = uscc(1)


@pytest.fixture
def letters(district: District) -> Iterator[DeadLetters]:
    letters = DeadLetters(district.records.database["dead_letters"])
    district.settle()
    yield letters
    for letter in letters.waiting():
        letters.drop(letter["_id"])


def standing(partition: int) -> float:
    return float(gauge("kechuang_follow_halted", "", ["partition"]).labels(str(partition))._value.get())


def test_a_letter_has_place_bytes_and_reason(district: District, letters: DeadLetters) -> None:
    district.log.append(REGISTRY, [(POISONED, b"{broken")])
    district.settle()
    (letter,) = letters.waiting()
    assert letter["_id"] == f"{REGISTRY}|{letter['partition']}|{letter['offset']}"
    assert (letter["key"], letter["size_bytes"], letter["reason"]) == (POISONED, 7, "not an event: DecodeError")
    assert letters.get(letter["_id"])["bytes"] == b"{broken"


def test_a_partition_full_of_poison_stops_before_it_is_drained_and_goes_on_when_decided(
    district: District, letters: DeadLetters, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(main, "BATCH_ENTRIES", 3)
    partition = partition_of(POISONED, 4)
    district.log.append(REGISTRY, [(POISONED, b"%d" % n) for n in range(12)])

    def restart() -> None:
        district.follower = Follower(district.records, district.log, poison_window=12, poison_limit=6)

    for _ in range(2):  # a restart forgets nothing
        restart()
        district.settle()
        assert letters.count() == 6
    alarm = f"follow has stopped at partition {partition}: too many dead letters"
    assert district.call("GET", "/incentives/-/ready").json["alarms"] == [alarm]
    assert standing(partition) == 1
    code = firm_elsewhere(district)
    district.settle()
    assert district.records.database.registry_facts.count_documents({"key": code}) > 0  # the other partitions go on
    for letter in list(letters.waiting()):
        letters.drop(letter["_id"])
    restart()
    district.settle()
    assert letters.count() == 6
    assert standing(partition) == 0
    assert "alarms" not in district.call("GET", "/incentives/-/ready").json


def firm_elsewhere(district: District) -> str:
    """A new enterprise whose partition is not the poisoned one."""
    while partition_of(code := firm(district), 4) == partition_of(POISONED, 4):
        pass
    return code


def test_letters_of_the_older_form_are_brought_to_the_present_one(district: District, letters: DeadLetters) -> None:
    old = {"topic": REGISTRY, "partition": 3, "offset": 70_000, "key": POISONED, "reason": "not an event: DecodeError"}
    letters.collection.insert_many([old, {"subject": "enterprise|x", "reason": "no event of the log at all"}])
    for _ in range(2):
        letters.ensure()
    (letter,) = letters.waiting()
    assert (letter["_id"], letter["reason"]) == (f"{REGISTRY}|3|70000", old["reason"])
    assert letters.get(letter["_id"])["bytes"] is None


def test_a_stack_that_goes_on_with_a_new_log_forgets_letters_and_halts_of_the_old_one(
    district: District, letters: DeadLetters
) -> None:
    district.log.append(REGISTRY, [(POISONED, b"{broken")])
    district.settle()
    followed = district.records.database["followed"]
    followed.insert_one({"_id": "halted|3", "reason": "too many"})
    begin_new_log(district.records.client, district.environ["DB_PREFIX"])
    assert (letters.count(), followed.count_documents({"_id": "halted|3"})) == (0, 0)
