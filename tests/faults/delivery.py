"""Rows 7, 8, 9, 18 and the newcomer's: what comes twice, in another order, broken, or must be counted anew."""

from __future__ import annotations

import json
import random
import signal
from typing import Any

from kafka import KafkaAdminClient
from kafka.errors import KafkaError

from services.metrics.ingest import GROUP
from shared.events.envelope import events_of
from shared.events.topics import INCENTIVES, REGISTRY
from shared.log.interface import Item
from tests.faults.invariants import TOPICS
from tests.faults.rows import Run
from tests.faults.stand import SERVICES, send
from tests.system.stack import wait_until

RELAYS = {"registry": "relay registry", "incentives": "relay incentives"}
MOST_COPIES = 5
WRITES_A_POISON = 10
LARGE_BYTES = 900_000
STATE = ("positions", "dossiers", "rows", "steps")
Values = dict[str, Any]


def duplicate(run: Run) -> None:
    """Row 7: what is on the log is put there again, each entry one to five times, and then the whole topic twice."""
    log, copied = run.stand.log(), dict.fromkeys((REGISTRY, INCENTIVES), 0)
    while run.going():
        run.await_writes(20)
        for topic in copied:
            entries = run.stand.entries(topic)[copied[topic] :]
            log.append(topic, [item for entry in entries[:200] for item in [(entry.key, entry.value)] * random.randint(1, MOST_COPIES)])
            copied[topic] += len(entries[:200])
            run.injections += len(entries[:200])


def again_from_the_start(run: Run) -> None:
    """The whole of both topics, twice."""
    log = run.stand.log()
    for topic in (REGISTRY, INCENTIVES):
        items = [(entry.key, entry.value) for entry in run.stand.entries(topic)]
        log.append(topic, items * 2)
        run.injections += len(items)


def reorder(run: Run) -> None:
    """Row 8: while the relays sleep, their events come shuffled; then the relays bring all of them again in order."""
    log = run.stand.log()
    while run.going() or run.injections < 1:
        asleep = {service: run.stand.kill_holder(name, signal.SIGSTOP) for service, name in RELAYS.items()}
        try:
            run.await_writes(100)
            for service in SERVICES:
                changes = list(run.stand.database(service)["changes"].find({"published": False}))
                run.stand.appended.disordered |= {(change["kind"], change["record_id"]) for change in changes}
                items = [_item(event) for change in changes for event in events_of(change, service)]
                random.shuffle(items)
                for item in items:
                    log.append(TOPICS[service], [item])
                run.injections += len(items)
        finally:
            for pid in asleep.values():
                send(pid, signal.SIGCONT)
        run.await_writes(50)


def _item(event: dict[str, Any]) -> Item:
    return event["partitionkey"], json.dumps(_plain(event), ensure_ascii=False).encode()


def _plain(value: Any) -> Any:
    """The driver's own integers as plain ones."""
    if isinstance(value, dict):
        return {name: _plain(each) for name, each in value.items()}
    if isinstance(value, list):
        return [_plain(each) for each in value]
    return int(value) if isinstance(value, int) and not isinstance(value, bool) else value


def poison(run: Run) -> None:
    """Row 9: one entry in ten cannot be read."""
    log = run.stand.log()
    while run.going():
        run.await_writes(WRITES_A_POISON)
        for key, value in random.sample(poisons(run.injections), 1):
            run.stand.appended.poison.add(value)
            log.append(random.choice((REGISTRY, INCENTIVES)), [(key, value)])
            run.injected()


def poisons(serial: int) -> list[Item]:
    """One of each kind, told apart by a serial."""
    good = {
        "specversion": "1.0", "id": f"poison-{serial}", "source": "/registry", "type": "cn.kechuang.registry.tech-contract.v1",
        "subject": f"tech-contracts/P{serial}", "time": "2026-06-30T08:00:00+08:00", "partitionkey": "k", "sequence": 1,
        "data": {"id": f"P{serial}"},
    }
    variants = [
        good | {"specversion": "2.0"}, good | {"subject": f"unheard-of/{serial}"}, good | {"sequence": -serial},
        good | {"time": f"yesterday {serial}"}, good | {"data": [serial]}, good | {"partitionkey": f"elsewhere {serial}"},
        good | {"sequence": 0}, good | {"subject": f"tech-contracts/P{serial}", "data": {"filler": "x" * LARGE_BYTES}, "time": None},
    ]
    texts = [json.dumps(each).encode() for each in variants] + [b'{"id": %d, ' % serial, b"\xff\xfe %d" % serial, b"[%d]" % serial]
    return [("k", text) for text in texts] + [("", b'{"no key": %d}' % serial)]


def look_at_letters(run: Run) -> None:
    """Every poison lies among the dead letters with its place and reason; put on the log again, it comes back there."""
    letters = run.stand.database("metrics")["dead_letters"]
    run.stand.stack.settle()
    found = list(letters.find({"state": "waiting"}))
    run.demand(len(found) == run.injections, f"{len(found)} dead letters for {run.injections} poisons")
    run.demand(all(each["reason"] and each["topic"] and each["offset"] >= 0 for each in found), "a letter without place or reason")
    run.stand.stack.run("dead-letters", "replay")
    run.stand.stack.settle()
    again = letters.count_documents({"state": "waiting"})
    run.demand(again == run.injections, f"{again} dead letters after replaying {run.injections}")
    run.stand.stack.run("dead-letters", "drop", "all")
    run.demand(letters.count_documents({"state": "waiting"}) == 0, "letters wait after they were dropped")


def start_with_nothing(run: Run) -> None:
    """A consumer without positions or state, as on a first day, amid the load: it begins with the earliest."""
    while run.going() or run.injections < 1:
        run.await_writes(100)
        forget_state(run)
        run.injected()
        wait_until(lambda: run.stand.database("metrics")["positions"].count_documents({}), 60, "positions again")


def forget_offsets(run: Run) -> None:
    """At rest, on Kafka: the group's own offsets go too, and then the state. The consumer begins with the earliest all the same."""
    if not run.stand.setting.brokers:
        return
    admin = KafkaAdminClient(bootstrap_servers=run.stand.kafka.bootstrap.split(","))
    try:
        wait_until(lambda: _group_gone(run, admin), 60, "the group is deleted")
    finally:
        admin.close()
    forget_state(run)
    run.injected()


def _group_gone(run: Run, admin: KafkaAdminClient) -> bool:
    """A group can be deleted while it has no member: right after its only one was told to leave."""
    for pid in run.stand.stack.pids("ingest"):
        send(pid, signal.SIGTERM)
    try:
        admin.delete_groups([GROUP])
    except KafkaError:
        return False
    return True


def forget_state(run: Run) -> None:
    """Drop what ingest knows, all at once."""
    metrics = run.stand.database("metrics")
    with run.stand.client.start_session() as session:
        session.with_transaction(lambda inner: [metrics[name].delete_many({}, session=inner) for name in STATE])


def rebuild_under_load(run: Run) -> None:
    """Row 18: every figure anew from the log and from the stores, while writes go on; a dossier's byte flipped."""
    while run.going() or run.injections < 3:
        run.await_writes(20)
        match run.injections % 3:
            case 0:
                run.stand.stack.run("rebuild")
            case 1:
                run.stand.stack.run("rebuild", "--from", "stores")
            case _:
                _flip_a_byte(run)
        run.injected()


def _flip_a_byte(run: Run) -> None:
    """In the stored dossier of an enterprise, which then gets an event: the flip is noticed, and everything made anew."""
    metrics = run.stand.database("metrics")
    for pid in run.stand.stack.pids("ingest"):
        send(pid, signal.SIGKILL)  # what it holds in memory would hide the flip
    found = next(iter(metrics["dossiers"].aggregate([{"$match": {"kinds": "enterprises"}}, {"$sample": {"size": 1}}])))
    body = bytearray(found["body"])
    body[random.randrange(len(body))] ^= 1 << random.randrange(7)
    metrics["dossiers"].update_one({"_id": found["_id"]}, {"$set": {"body": bytes(body)}})
    entry = next(entry for entry in run.stand.entries(REGISTRY) if entry.key == found["key"])
    run.stand.log().append(REGISTRY, [(entry.key, entry.value)])
    wait_until(lambda: metrics["state"].find_one({"_id": "active", "generation": {"$gt": found["gen"]}}), 120, "a new generation")


def rebuild_and_compare(run: Run) -> None:
    """At rest: both rebuilds give what was there, row by row and step by step."""
    run.stand.stack.settle()
    before = content(run)
    for origin in ("log", "stores"):
        run.stand.stack.run("rebuild", "--from", origin)
        run.stand.stack.settle()
        run.demand(content(run) == before, f"a rebuild from the {origin} changed rows or steps")


def content(run: Run) -> Values:
    """Rows and step functions of the active generation, without its number."""
    metrics = run.stand.database("metrics")
    generation = metrics["state"].find_one({"_id": "active"})["generation"]
    rows = {
        (row["key"], row["indicator"], row["part"], str(row["cell"]), row["start"], row["end"], row["amount"], row["known_from"], row["known_to"])
        for row in metrics["rows"].find({"gen": generation})
    }
    steps: dict[tuple[str, str, str], int] = {}
    for step in metrics["steps"].find({"gen": generation}):
        for cell, days in step.get("cells", {}).items():
            for day, change in days.items():
                place = (step["indicator"], cell, day)
                steps[place] = steps.get(place, 0) + change
    return {"rows": rows, "steps": {place: change for place, change in steps.items() if change}}
