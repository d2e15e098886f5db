"""Rows 10, 12 and those of three brokers: Kafka dead, frozen, without its disk, and consumers that come and go."""

from __future__ import annotations

import random
import signal
import time
from collections.abc import Callable

from kafka import KafkaAdminClient

from deploy.local.kafka.broker import Node
from deploy.local.kafka.jars import missing_tools
from shared.events.topics import REGISTRY
from tests.faults.rows import Run
from tests.faults.stand import SERVICES, send
from tests.system.stack import wait_until

LONGEST_AWAY_S = 60.0
STORM_EVERY_S = 2.0
MOST_CONSUMERS = 3  # beside the one of `up`
RETURN_S = 120.0


def no_broker() -> str:
    """Why this machine cannot run one; "" when it can."""
    return missing_tools() or ""


def take_the_broker_away(run: Run) -> None:
    """Row 10: the broker killed, then frozen. The office stays open: no write is refused, the outbox grows and drains."""
    (broker,) = run.stand.kafka.nodes
    away_s = min(LONGEST_AWAY_S, run.seconds / 2)
    grown = []
    for leave, come in (
        (lambda: run.stand.kafka.kill(broker), lambda: _again(run, broker)),
        (lambda: run.stand.kafka.send(broker, signal.SIGSTOP), lambda: run.stand.kafka.send(broker, signal.SIGCONT)),
    ):
        leave()
        run.injected()
        until = time.monotonic() + away_s
        while time.monotonic() < until:
            run.await_writes(1)
        grown.append(_waiting(run))
        come()
        wait_until(lambda: _waiting(run) < max(grown[-1], 100), RETURN_S, "the outbox drains")
    run.notes |= {"away_s": away_s, "outbox_grew_to": max(grown)}
    run.demand(max(grown) > 0, "nothing waited while the broker was away")
    run.demand(not run.load.journal.refused_s, f"{len(run.load.journal.refused_s)} writes were refused though only the broker was away")


def _again(run: Run, broker: Node) -> None:
    run.stand.kafka.start(broker)
    run.stand.kafka.await_ready()


def _waiting(run: Run) -> int:
    """Changes that no relay has published."""
    return sum(run.stand.database(service)["changes"].count_documents({"published": False}) for service in SERVICES)


def lose_the_disk(run: Run) -> None:
    """The only broker comes back empty: what was folded stays folded, what is written from now on comes in."""
    (broker,) = run.stand.kafka.nodes
    run.await_writes(200)
    run.stand.kafka.kill(broker)
    for service in SERVICES:
        gone = run.stand.database(service)["changes"].find({"published": True}, {"_id": 1})
        run.stand.appended.lost |= {change["_id"] for change in gone}
    run.injected()
    run.await_writes(50)
    run.stand.kafka.wipe(broker)
    _again(run, broker)
    while run.going():
        run.await_writes(20)


def kill_the_leader(run: Run) -> None:
    """The broker that leads a partition of registry's topic, out of three, killed and started again."""
    while run.going() or run.injections < 1:
        node = _leader(run)
        run.stand.kafka.kill(node)
        run.injected()
        run.await_writes(100, RETURN_S)
        _again(run, node)
        wait_until(lambda: _waiting(run) < 500, RETURN_S, "the relays keep up again")


def _leader(run: Run) -> Node:
    admin = KafkaAdminClient(bootstrap_servers=run.stand.kafka.bootstrap.split(","))
    try:
        partitions = admin.describe_topics([REGISTRY])[0]["partitions"]
    finally:
        admin.close()
    number = int(random.choice(partitions)["leader_id"])
    return next(node for node in run.stand.kafka.nodes if node.number == number)


def storm_of_rebalances(run: Run) -> None:
    """Row 12: consumers join and leave every two seconds; one sleeps past its session and wakes up as a zombie."""
    pool, asleep = run.stand.pool, list[int]()
    turns: list[Callable[[], object]] = [
        lambda: pool.add("ingest"), lambda: pool.add("ingest"), lambda: _sleep(run, asleep), lambda: _leave(run, signal.SIGTERM),
        lambda: pool.add("ingest"), lambda: _wake(asleep), lambda: _leave(run, signal.SIGKILL), lambda: pool.tend(),
    ]
    while run.going() or run.injections < len(turns):
        turns[run.injections % len(turns)]()
        run.injected()
        if len(pool.pids()) > MOST_CONSUMERS:
            pool.stop()
        run.await_writes(20)
        time.sleep(STORM_EVERY_S / 2)
    _wake(asleep)


def _sleep(run: Run, asleep: list[int]) -> None:
    for pid in run.stand.pool.pids()[:1]:
        send(pid, signal.SIGSTOP)
        asleep.append(pid)


def _wake(asleep: list[int]) -> None:
    while asleep:
        send(asleep.pop(), signal.SIGCONT)


def _leave(run: Run, number: int) -> None:
    for pid in run.stand.pool.pids()[-1:]:
        send(pid, number)
