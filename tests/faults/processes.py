"""Rows 1, 4, 5, 6, 17 and the stream workers': processes killed, frozen, doubled and restarted."""

from __future__ import annotations

import random
import signal
import time

from deploy.local.up import WEB
from tests.faults.listener import Crowd, missed
from tests.faults.rows import Run
from tests.faults.stand import send
from tests.system.stack import wait_until

RELAYS = ("relay registry", "relay incentives")
FROZEN_LEASES = 1.5  # how long a frozen relay sleeps, in terms of its lease
LEASE_S = 2.0
CLIENTS = 200
WRITES_A_KILL = 50
WATCHED = "hnte_count"


def kill_web(run: Run) -> None:
    """Row 1: `kill -9` of a web worker between a write and its commit: at any moment under load."""
    while run.killing():
        time.sleep(random.uniform(0.2, 1.0))
        run.await_writes(WRITES_A_KILL)  # else most kills would hit workers that are still starting
        workers = run.stand.web_workers()
        if workers and send(random.choice(workers), signal.SIGKILL):
            run.injected()


def kill_relay(run: Run) -> None:
    """Row 4: `kill -9` of whichever relay holds the lease, alternating between the services."""
    for name in RELAYS:
        run.stand.pool.add(*name.split())
        run.stand.pool.add(*name.split())
    while run.killing():
        name = RELAYS[run.injections % 2]
        run.await_writes(5)
        time.sleep(random.uniform(0.0, 0.4))
        run.stand.kill_holder(name)
        run.injected()
        run.stand.pool.tend()


def split_brain(run: Run) -> None:
    """Row 5: a second relay; the holder sleeps past its lease, wakes up replaced, and so on in turn."""
    for name in RELAYS:
        run.stand.pool.add(*name.split())
    while run.going() or run.injections < 2:
        name = RELAYS[run.injections % 2]
        frozen = run.stand.kill_holder(name, signal.SIGSTOP)
        wait_until(lambda: run.stand.holder(name) not in (None, frozen), 60, "the other relay has taken over")  # noqa: B023
        run.await_writes(20)
        send(frozen, signal.SIGCONT)
        run.injected()


def kill_ingest(run: Run) -> None:
    """Row 6: `kill -9` of a consumer between its state and its position, and failures of the state's transaction."""
    for _ in range(2):
        run.stand.pool.add("ingest")
    while run.killing():
        run.await_writes(5)
        time.sleep(random.uniform(0.0, 0.4))
        if run.injections % 5 == 4:
            run.stand.mongo.fail({"times": 2}, failCommands=["commitTransaction"], closeConnection=True)
        pids = run.stand.stack.pids("ingest")
        if pids and send(random.choice(pids), signal.SIGKILL):
            run.injected()
        run.stand.pool.tend()


def rolling_restart(run: Run) -> None:
    """Row 17: SIGTERM to every process in turn, again and again; requests only ever wait."""
    names = [WEB, *RELAYS, "ingest", "publish", "worker registry", "worker incentives"]
    rounds = max(1, run.kills // 10)
    for _ in range(rounds):
        for name in names:
            before = set(run.stand.stack.pids(name))
            send(run.stand.web_master() if name == names[0] else min(before), signal.SIGTERM)
            run.injected()
            wait_until(lambda: set(run.stand.stack.pids(name)) - before, 60, f"{name} again")  # noqa: B023
            run.await_writes(20)


def kill_streams(run: Run) -> None:
    """A stream worker with 200 clients killed: every client resumes by Last-Event-ID."""
    crowd = Crowd(run.stand.url, CLIENTS, WATCHED)
    run.closing.append(crowd.stop)
    crowd.start()
    run.kept["crowd"] = crowd
    wait_until(lambda: crowd.open == CLIENTS, 60, "all clients are connected")
    for _ in range(max(1, run.kills // 5)):
        run.await_writes(50)
        for pid in run.stand.web_workers():
            send(pid, signal.SIGKILL)
        run.injected()
        wait_until(lambda: crowd.open < CLIENTS, 30, "the clients notice")
        wait_until(lambda: crowd.open == CLIENTS, 60, "all clients are back")
    run.notes |= {"clients": CLIENTS, "resumed": crowd.resumed}


def compare_streams(run: Run) -> None:
    """None of them has missed a change, been given one twice or been sent back to a snapshot."""
    crowd = run.kept["crowd"]
    run.stand.stack.settle()
    changes = run.stand.database("metrics")["changes"]
    sequences = [each["_id"] for each in changes.find({"indicator": WATCHED}, {"_id": 1}).sort("_id", 1)]
    wait_until(lambda: all(crowd.last(n) == sequences[-1] for n in range(CLIENTS)), 30, "every client has the last change")
    run.differences += missed(crowd, sequences)
    run.demand(crowd.snapshots == 0, f"{crowd.snapshots} clients that resumed were given a snapshot")
