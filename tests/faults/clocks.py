"""Row 13: processes whose clocks are days off; a midnight without traffic."""

from __future__ import annotations

import signal
from pathlib import Path
from typing import Any

from deploy.local.client import mint
from deploy.local.mongod import free_port
from tests.faults.district import Step, path_of
from tests.faults.load import Sender
from tests.faults.rows import Run
from tests.faults.stand import send
from tests.system.made import XINGANG, uscc_of
from tests.system.stack import wait_until

AHEAD, BEHIND = 3 * 86_400, -86_400  # seconds
WRONG_CLOCK = Path(__file__).with_name("wrong_clock")
SKEWED = (
    ("relay registry", AHEAD), ("relay incentives", BEHIND), ("ingest", AHEAD), ("ingest", BEHIND), ("publish", AHEAD), ("publish", BEHIND),
)
LAPSING = 5
ISSUED, LAST_INSTANT, NEXT_DAY = "2023-07-01", "2026-06-30T23:59:58+08:00", "2026-07-01"
WEEK_S = 7 * 86_400
WATCHED = "hnte_count"


def skew(run: Run) -> None:
    """Relays, consumers, publishers and a web service with wrong clocks beside the right ones, which sleep by turns."""
    for name, by in SKEWED:
        run.stand.pool.add(*name.split(), environ=_off_by(by))
        run.injected()
    _write_through_wrong_clock(run)
    right = [pid for name in ("relay registry", "relay incentives", "ingest", "publish") for pid in run.stand.stack.pids(name)[:1]]
    own = set(run.stand.pool.pids())
    asleep = [pid for pid in right if pid not in own]
    for pid in asleep:
        send(pid, signal.SIGSTOP)
    try:
        while run.going():
            run.await_writes(20)
    finally:
        for pid in asleep:
            send(pid, signal.SIGCONT)


def _off_by(seconds: int) -> dict[str, str]:
    return {"PYTHONPATH": str(WRONG_CLOCK), "CLOCK_AHEAD_S": str(seconds)}


def _write_through_wrong_clock(run: Run) -> None:
    """First versions recorded three days ahead, second ones at the right time: the version decides, not the time."""
    port = free_port()
    run.stand.pool.add("serve", "registry", environ={"PORT": str(port), "HOST": "127.0.0.1"} | _off_by(AHEAD))
    token = mint(run.stand.stack.data, ["data_feed"], "data_feed", lifetime_s=WEEK_S)
    wrong, right = (Sender(lambda url=url: url, token, run.load.journal) for url in (f"http://127.0.0.1:{port}", run.stand.url))
    for _ in range(LAPSING):
        serial = run.stand.serials.take()
        firm = wrong.send(_enterprise(serial))
        lapsing = wrong.send(_certificate(serial, firm, ISSUED))
        other = wrong.send(_certificate(run.stand.serials.take(), firm, "2025-01-01"))
        if lapsing and other:
            right.send(Step("POST", f"{path_of(other)}/transitions", {"action": "revoke", "reason": "撤销", "effective_on": "2026-06-01"}, 1))
    run.injected()
    wrong.close()
    right.close()


def _enterprise(serial: int) -> Step:
    body = {"uscc": uscc_of(f"MBQ{serial:05d}"), "name": f"钟表企业{serial}", "town_code": XINGANG, "industry_code": "3974",
            "established_on": "2015-06-01"}
    return Step("POST", "/registry/v1/enterprises", body)


def _certificate(serial: int, firm: dict[str, Any] | None, issued: str) -> Step:
    assert firm is not None, "the enterprise was not accepted"
    return Step("POST", "/registry/v1/hnte-certificates", {"cert_no": f"GR202344{serial:06d}", "uscc": firm["uscc"], "issued_on": issued})


def midnight(run: Run) -> None:
    """No traffic. The certificates lapse at midnight and not before, and no publisher with another clock brings them back."""
    run.stand.stack.settle()
    before = run.stand.stack.indicator(WATCHED)["numerator"]
    run.demand(before >= LAPSING, f"{WATCHED} is {before} before midnight")
    run.stand.stack.clock_set(LAST_INSTANT)
    run.stand.day = NEXT_DAY
    wait_until(lambda: run.listener.items.get(WATCHED, {}).get("numerator") == before - LAPSING, 60, "the lapse is heard")
    for by in (BEHIND, AHEAD):
        run.stand.pool.add("publish", environ=_off_by(by))
    heard = run.listener.changes
    gone = run.stand.kill_holder("publish")
    wait_until(lambda: run.stand.holder("publish") not in (None, gone), 60, "a publisher again")
    run.stand.pool.stop()
    run.stand.stack.settle()
    run.demand(run.listener.changes == heard, f"{run.listener.changes - heard} changes were announced though nothing happened")
