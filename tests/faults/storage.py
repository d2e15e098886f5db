"""Rows 2, 3, 11, 15 and the primary's: a MongoDB that lies, refuses, freezes, dies or has no room."""

from __future__ import annotations

import json
import signal
import threading
import time
from typing import Any

from tests.faults.district import Step, path_of
from tests.faults.load import Sender
from tests.faults.rows import Run
from tests.faults.small_disk import DISK_MB, can_mount, without_room
from tests.faults.stand import threads_of
from tests.system.stack import wait_until

WRITES = ["insert", "update", "findAndModify"]
CONFLICT, TRANSIENT = 112, ["TransientTransactionError"]
UNKNOWN_RESULT = {"code": 64, "errmsg": "waiting for replication timed out", "codeName": "WriteConcernFailed"}
RIVALS = 16
ANSWER_S = 5.0
THREADS_MORE = 20  # a web worker may have so many more threads during a freeze than before


def lose_commit_replies(run: Run) -> None:
    """Row 2: the reply to a commit never comes, before it was carried out or after."""
    while run.going():
        if run.injections % 2:
            run.stand.mongo.fail({"times": 2}, failCommands=["commitTransaction"], closeConnection=True)
        else:
            run.stand.mongo.fail({"times": 2}, failCommands=["commitTransaction"], writeConcernError=UNKNOWN_RESULT)
        run.await_writes(10)
        run.injected()
    run.stand.mongo.fail("off")


def storm_of_conflicts(run: Run) -> None:
    """Row 3: one write in ten is a transient conflict; sixteen clients change one document at once."""
    run.stand.mongo.fail({"activationProbability": 0.1}, failCommands=WRITES, errorCode=CONFLICT, errorLabels=TRANSIENT)
    try:
        while run.going():
            _rivals(run)
            run.injected()
    finally:
        run.stand.mongo.fail("off")


def _rivals(run: Run) -> None:
    contracts = [image for image in list(run.load.journal.accepted) if image["kind"] == "hnte-certificates"]
    made = Sender(lambda: run.stand.url, run.stand.token, run.load.journal)
    firm = contracts[0]["uscc"] if contracts else None
    serial = run.stand.serials.take()
    body = {"registration_no": f"R{serial:09d}", "registered_on": "2026-03-01", "contract_type": "service",
            "seller_uscc": firm, "deal_amount_fen": 10**6, "tech_amount_fen": 0}
    image = made.send(Step("POST", "/registry/v1/tech-contracts", body)) if firm else None
    made.close()
    if image is None:
        run.await_writes(20)
        return
    rivals = [threading.Thread(target=_change, args=(run, image, n)) for n in range(RIVALS)]
    for rival in rivals:
        rival.start()
    for rival in rivals:
        rival.join()
    stored = run.stand.stack.get(path_of(image))
    mine = [each for each in list(run.load.journal.accepted) if each["id"] == image["id"]]
    run.demand(stored["version"] == len(mine), f"{path_of(image)} is at version {stored['version']} after {len(mine)} accepted writes")


def _change(run: Run, image: dict[str, Any], rival: int) -> None:
    """One of the clients: changes the document as it was read; every answer but success is a refusal that says why."""
    sender = Sender(lambda: run.stand.url, run.stand.token, run.load.journal)
    step = Step("PATCH", path_of(image), {"tech_amount_fen": rival + 1, "reason": "并发"}, image["version"])
    for _ in range(20):
        status, headers, body = sender.once(step)
        if status in (200, 201):
            run.load.journal.accept(step, status, json.loads(body))
            break
        if status in (409, 412):
            break
        run.demand(status == 503 and "Retry-After" in headers, f"a rival was answered {status}: {body[:200]!r}")
        time.sleep(0.1)
    sender.close()


def take_the_store_away(run: Run) -> None:
    """Row 11: MongoDB frozen, then killed and started again. Writes are refused within 5 s, and no threads pile up."""
    node = run.stand.mongo.primary()
    frozen_s = max(6.0, min(20.0, run.seconds / 3))
    before = {pid: threads_of(pid) for pid in run.stand.web_workers()}
    node.signal(signal.SIGSTOP)
    run.injected()
    live = _slowest_without_store(run, frozen_s)
    wait_until(lambda: run.load.journal.refused_s, 2 * ANSWER_S, "a write is refused")
    during = {pid: threads_of(pid) for pid in before}
    node.signal(signal.SIGCONT)
    slowest = max(run.load.journal.refused_s, default=0.0)
    run.notes |= {"frozen_s": round(frozen_s, 1), "refused_while_frozen": len(run.load.journal.refused_s),
                  "slowest_refusal_while_frozen_s": round(slowest, 2), "slowest_answer_without_store_s": round(live, 2),
                  "threads_before": sum(before.values()), "threads_during": sum(during.values())}
    run.demand(bool(run.load.journal.refused_s), "no write was refused while the store was frozen")
    run.demand(slowest <= ANSWER_S + live, f"a write was refused only after {slowest:.1f} s, what needs no store came in {live:.1f} s")
    run.demand(all(during[pid] <= before[pid] + THREADS_MORE for pid in before), f"threads: {before} before, {during} during")
    run.await_writes(100)
    while run.injections < 2 or run.going():
        node.signal(signal.SIGKILL)
        run.injected()
        time.sleep(1.0)
        node.start()
        run.stand.mongo.primary()
        run.await_writes(100, 120)


def _slowest_without_store(run: Run, seconds: float) -> float:
    """How long an answer that needs no store took at most: what a busy machine adds to any other."""
    slowest, until = 0.0, time.monotonic() + seconds
    while time.monotonic() < until:
        begun = time.monotonic()
        run.stand.stack.request("GET", "/registry/-/live", token="")
        slowest = max(slowest, time.monotonic() - begun)
        time.sleep(0.2)
    return slowest


def kill_primary(run: Run) -> None:
    """The primary of three killed again and again; another takes over, the killed one comes back."""
    while run.going() or run.injections < 1:
        node = run.stand.mongo.primary()
        node.signal(signal.SIGKILL)
        run.injected()
        run.await_writes(100, 120)
        node.start()
        run.await_writes(50, 120)


def fill_the_disk(run: Run) -> None:
    """Row 15: no room left. MongoDB ends; when there is room again it starts, and the services go on by themselves."""
    node = run.stand.mongo.primary()
    workers = {name: run.stand.stack.pids(name) for name in ("ingest", "publish", "relay registry", "relay incentives")}
    workers["web"] = run.stand.web_workers()
    assert node.process is not None
    with without_room(node.folder.parent, node.process.pid):
        run.injected()
        wait_until(node.dead, 120, "MongoDB has noticed")
        time.sleep(2.0)
    node.start()
    run.stand.mongo.primary()
    run.await_writes(100, 120)
    after = {name: run.stand.stack.pids(name) for name in workers if name != "web"} | {"web": run.stand.web_workers()}
    run.demand(all(sorted(after[name]) == sorted(pids) for name, pids in workers.items()), f"restarted: {workers} before, {after} after")
    run.notes["room"] = f"{DISK_MB} MB, then none" if can_mount() else "no file might grow"

