from __future__ import annotations

import threading

import pytest

from services.metrics.definitions import Definitions
from services.metrics.ingest import Ingest
from services.metrics.readings import Readings
from services.metrics.store.collections import Store
from services.metrics.store.generations import Generations
from services.metrics.store.positions import Overtaken, Positions
from shared.clock import FixedClock
from shared.errors import ConfigError
from shared.log.dead_letters import DeadLetters, Halted, Poison
from shared.log.embedded import EmbeddedLog
from shared.log.halts import Halts
from shared.log.interface import Entry
from shared.log.placement import partition_of
from shared.mongo import Client
from shared.telemetry import gauge
from tests.integration.metrics.district import FIRM, INCENTIVES, OTHER, REGISTRY, XIANGZHOU, Events, entry
from tests.system.stack import wait_until


def value(store: Store, definitions: Definitions, name: str, clock: FixedClock) -> object:
    readings = Readings(store, Generations(store).first(definitions.digest).number, definitions)
    return readings.item(name, readings.sources([name])[name], clock.now().date())["value"]


def test_folded_events_are_read_as_a_value(
    store: Store, log: EmbeddedLog, ingest: Ingest, definitions: Definitions, events: Events, clock: FixedClock
) -> None:
    log.append(REGISTRY, [entry(events.enterprise(FIRM)), entry(events.certificate("GR202544000001", FIRM))])
    log.append(INCENTIVES, [entry(events.introduction("i1", "p_1"))])
    assert ingest.drain() == 3
    assert value(store, definitions, "hnte_count", clock) == 1
    assert value(store, definitions, "graduates_introduced_cum", clock) == 1


def test_events_delivered_twice_change_nothing(
    store: Store, log: EmbeddedLog, ingest: Ingest, definitions: Definitions, events: Events, clock: FixedClock
) -> None:
    made = [entry(events.enterprise(FIRM)), entry(events.certificate("GR202544000001", FIRM))]
    log.append(REGISTRY, made)
    ingest.drain()
    before = list(store.rows.find().sort("_id", 1))
    log.append(REGISTRY, made * 2)
    ingest.drain()
    assert list(store.rows.find().sort("_id", 1)) == before
    assert value(store, definitions, "hnte_count", clock) == 1


def test_poison_goes_to_the_dead_letters_and_the_rest_goes_on(
    store: Store, log: EmbeddedLog, ingest: Ingest, definitions: Definitions, events: Events, clock: FixedClock
) -> None:
    unknown = events.event("spaceships", "s1", FIRM)
    unreadable = events.certificate("GR202544000009", OTHER, issued_on="yesterday", valid_to=None)
    huge = events.event("tech-contracts", "c1", FIRM, deal_amount_fen=2**70)
    log.append(
        REGISTRY,
        [
            (FIRM, b"{not json"),
            entry(unknown),
            entry(events.enterprise(FIRM)),
            entry(unreadable),
            entry(huge),
            (OTHER, entry(events.enterprise(FIRM, version=9))[1]),
            entry(events.certificate("GR202544000001", FIRM)),
        ],
    )
    ingest.drain()
    reasons = {letter["reason"] for letter in DeadLetters(store.dead_letters).waiting()}
    assert len(reasons) == 4
    assert any("not a JSON document" in reason for reason in reasons)
    assert any("unknown record kind spaceships" in reason for reason in reasons)
    assert any("yesterday" in reason for reason in reasons)
    assert any("lies under the key" in reason for reason in reasons)
    assert value(store, definitions, "hnte_count", clock) == 1
    assert ingest.step() == 0


def test_an_event_that_cannot_be_stored_is_found_among_five_hundred(
    store: Store, log: EmbeddedLog, ingest: Ingest, events: Events
) -> None:
    made = [entry(events.introduction(f"i{n}", f"p_{n}")) for n in range(60)]
    made.insert(30, entry(events.introduction("i-bad", "p_bad", town="\ud800")))
    log.append(INCENTIVES, made)
    ingest.drain()
    letters = list(DeadLetters(store.dead_letters).waiting())
    assert len(letters) == 1
    assert store.dossiers.count_documents({}) == 60


def test_a_zombie_cannot_write(
    store: Store, log: EmbeddedLog, definitions: Definitions, ingest: Ingest, events: Events, clock: FixedClock
) -> None:
    log.append(REGISTRY, [entry(events.enterprise(FIRM))])
    ingest.drain()
    zombie = Ingest(store, log, definitions)
    assert zombie.step() == 0
    log.append(REGISTRY, [entry(events.certificate("GR202544000001", FIRM))])
    ingest.drain()
    with pytest.raises(Overtaken):
        zombie.step()
    assert zombie.step() == 0
    assert value(store, definitions, "hnte_count", clock) == 1


def test_an_interrupted_batch_leaves_nothing_behind(
    store: Store, log: EmbeddedLog, ingest: Ingest, events: Events, monkeypatch: pytest.MonkeyPatch
) -> None:
    log.append(REGISTRY, [entry(events.enterprise(FIRM)), entry(events.certificate("GR202544000001", FIRM))])
    with monkeypatch.context() as patched:
        patched.setattr("services.metrics.store.folding.Folder._mark", _killed)
        with pytest.raises(KeyboardInterrupt):
            ingest.step()
    assert store.rows.count_documents({}) == store.steps.count_documents({}) == 0
    assert Positions(store, 1).read_all() == {}
    assert ingest.step() == 2
    assert store.rows.count_documents({}) == 1


def _killed(*_: object) -> None:
    raise KeyboardInterrupt


def test_positions_stand_at_the_ends_after_draining(store: Store, log: EmbeddedLog, ingest: Ingest, events: Events) -> None:
    log.append(REGISTRY, [entry(events.enterprise(FIRM, XIANGZHOU)), entry(events.enterprise(OTHER))])
    ingest.drain()
    positions = Positions(store, 1).read_all()
    assert {p: position.offset(REGISTRY) + 1 for p, position in positions.items()} == {
        p: end for p, end in log.end_offsets(REGISTRY).items() if end
    }


def test_a_partition_full_of_poison_stops_before_it_is_drained_and_goes_on_when_decided(
    store: Store, log: EmbeddedLog, definitions: Definitions, events: Events, clock: FixedClock
) -> None:
    log.append(REGISTRY, [(FIRM, b"%d" % n) for n in range(20)])
    log.append(REGISTRY, [entry(events.enterprise(FIRM)), entry(events.certificate("GR202544000001", FIRM))])
    letters = DeadLetters(store.dead_letters)

    def started() -> Ingest:
        return Ingest(store, log, definitions, batch=3, poison_window=12, poison_limit=6)

    for _ in range(2):  # a restart forgets nothing
        with pytest.raises(Halted) as halted:
            started().drain()
        assert letters.count() == 6
    stopped = started()
    stopped._halt(halted.value)
    assert stopped.step() == 0
    assert Halts(store.state, "ingest").reasons() == [f"ingest has stopped at partition {halted.value.partition}: too many dead letters"]
    while letters.count():  # an operator decides, again and again
        for letter in list(letters.waiting()):
            letters.drop(letter["_id"])
        try:
            started().drain()
        except Halted:
            continue
    assert Halts(store.state, "ingest").reasons() == []
    assert value(store, definitions, "hnte_count", clock) == 1


def test_a_halted_partition_does_not_stop_the_others(
    store: Store, log: EmbeddedLog, definitions: Definitions, events: Events, clock: FixedClock
) -> None:
    assert partition_of(FIRM, 4) != partition_of(OTHER, 4)
    log.append(REGISTRY, [(OTHER, b"{}") for _ in range(20)])
    ingest = Ingest(store, log, definitions, batch=5, poison_limit=8)
    stop = threading.Event()
    worker = threading.Thread(target=ingest.run, args=(stop,))
    worker.start()
    wait_until(lambda: Halts(store.state, "ingest").reasons())
    log.append(REGISTRY, [entry(events.enterprise(FIRM)), entry(events.certificate("GR202544000001", FIRM))])
    wait_until(lambda: value(store, definitions, "hnte_count", clock) == 1)
    stop.set()
    worker.join()
    assert DeadLetters(store.dead_letters).count() <= 8


def test_an_event_in_a_partition_that_is_not_its_keys_is_poison(
    store: Store, log: EmbeddedLog, ingest: Ingest, events: Events
) -> None:
    key, body = entry(events.enterprise(FIRM))
    away = (partition_of(FIRM, 4) + 1) % 4
    log.partitions(REGISTRY)
    ingest.apply([Entry(REGISTRY, away, 0, key, body)])
    assert [letter["partition"] for letter in DeadLetters(store.dead_letters).waiting()] == [away]
    assert store.dossiers.count_documents({}) == 0


def test_a_log_of_another_number_of_partitions_is_refused(
    store: Store, mongo: Client, database_name: str, ingest: Ingest, definitions: Definitions
) -> None:
    ingest.step()
    mongo.drop_database(f"{database_name}_log")
    with pytest.raises(ConfigError, match="8 partitions but was followed with 4"):
        Ingest(store, EmbeddedLog(mongo, f"{database_name}_log", partitions=8), definitions).step()


def test_a_topic_that_was_lost_and_made_anew_is_read_from_its_first_entry(
    store: Store, mongo: Client, database_name: str, ingest: Ingest, definitions: Definitions, events: Events, clock: FixedClock
) -> None:
    name = f"{database_name}_log"
    EmbeddedLog(mongo, name).append(REGISTRY, [entry(events.enterprise(FIRM))] * 5)
    ingest.drain()
    mongo.drop_database(name)
    anew = EmbeddedLog(mongo, name)
    anew.append(REGISTRY, [entry(events.certificate("GR202544000001", FIRM))])
    assert Ingest(store, anew, definitions).drain() == 1
    assert value(store, definitions, "hnte_count", clock) == 1


def test_letters_of_a_batch_wait_in_the_order_of_the_log(store: Store, log: EmbeddedLog, ingest: Ingest) -> None:
    log.append(REGISTRY, [(FIRM, b"%d" % n) for n in range(12)])
    ingest.drain()
    assert [letter["offset"] for letter in DeadLetters(store.dead_letters).waiting()] == list(range(12))


def test_who_loses_a_partition_that_stands_still_raises_no_alarm_for_it_any_more(store: Store, ingest: Ingest) -> None:
    stopped = Halted(Poison(Entry(REGISTRY, 3, 7, FIRM, b"{"), "unreadable"), 7, 12)
    ingest.halts.note(stopped)
    ingest.halts.leave({3})
    assert gauge("kechuang_ingest_halted", "", ["partition"]).labels("3")._value.get() == 0
    assert len(Halts(store.state, "ingest").reasons()) == 1
