"""The process that works off import jobs, one at a time."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Iterable
from contextlib import suppress

import structlog
from pymongo.errors import PyMongoError

from shared.errors import KechuangError
from shared.health import beat
from shared.ids import new_id
from shared.process import stopped_by_signal
from shared.records.chores import Chore, Chores
from shared.records.imports import Imports
from shared.records.intake import work
from shared.wake import Wake

SWEEP_S = 600.0
POLL_S = 1.0  # the safety net; a change stream wakes earlier
logger = structlog.get_logger(__name__)


def run(imports: Imports, stop: threading.Event) -> None:
    """Take jobs until told to stop, and give back the one that is not done by then. A database that is away is waited for."""
    worker = new_id()

    def still_at_work() -> float:
        if stop.is_set():
            raise work.LostJob("told to stop: the next worker goes on with it")
        beat()
        return time.time()

    wake = Wake(imports.jobs, [{"$match": {"operationType": "insert"}}])
    prepared, sweep_at = False, 0.0
    while not stop.is_set():
        beat()
        try:
            if not prepared:
                imports.records.ensure_collections()
                imports.ensure()
                prepared = True
            if time.monotonic() >= sweep_at:
                imports.sweep()
                sweep_at = time.monotonic() + SWEEP_S
            job = imports.take(worker, time.time())
            if job is not None:
                work.run(imports, job, worker, still_at_work)
                continue
        except (KechuangError, PyMongoError) as away:
            if isinstance(away, KechuangError) and not away.retriable:
                raise
            logger.warning("waiting for the store", reason=type(away).__name__)
            stop.wait(POLL_S)
            continue
        wake.wait(POLL_S)
    wake.close()
    with suppress(PyMongoError):  # it is taken over then, only later
        imports.give_back(worker)


def main(imports: Imports, chores: Iterable[Chore] = ()) -> None:
    """Run until SIGTERM or SIGINT, with what else the worker does beside it. Exits with 1 when that failed."""
    stop = stopped_by_signal()
    beside = Chores(chores, stop)
    run(imports, stop)
    beside.join()
    if beside.failed:
        sys.exit(1)
