"""What a row is, and how one is run: load and listener on, fault in, everything back to rest, invariants."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from tests.faults.invariants import check
from tests.faults.listener import Listener
from tests.faults.load import Journal, Load, loading
from tests.faults.stand import Setting, Stand

RATE = 100.0  # writes a second


@dataclass
class Run:
    """A row that is being run: what its fault may use and what it notes."""

    stand: Stand
    load: Load
    listener: Listener
    kills: int
    seconds: float
    longest_s: float
    injections: int = 0
    notes: dict[str, Any] = field(default_factory=dict)
    differences: list[str] = field(default_factory=list)
    kept: dict[str, Any] = field(default_factory=dict)  # from the fault for what comes after it
    closing: list[Callable[[], object]] = field(default_factory=list)  # called when the row is over, however it ends

    def going(self) -> bool:
        """Whether the load should go on for its time."""
        return self.load.seconds < self.seconds

    def killing(self) -> bool:
        """Whether there are more kills to come, and time for them."""
        return self.injections < self.kills and self.load.seconds < self.longest_s

    def injected(self) -> None:
        """Count one injection."""
        self.injections += 1

    def await_writes(self, count: int, deadline_s: float = 60.0) -> None:
        """Return when so many further writes have been accepted."""
        target, until = self.load.acknowledged + count, time.monotonic() + deadline_s
        while self.load.acknowledged < target:
            assert time.monotonic() < until, f"no {count} writes within {deadline_s:g} s"
            time.sleep(0.01)

    @contextmanager
    def noting(self) -> Iterator[None]:
        """What does not come in time is a breach like any other; the invariants are checked all the same."""
        try:
            yield
        except AssertionError as late:
            self.differences.append(f"{type(late).__name__}: {late}")

    def demand(self, holds: bool, otherwise: str) -> None:
        """Note a breach of what this row demands besides the invariants."""
        if not holds:
            self.differences.append(otherwise)


Fault = Callable[[Run], None]


@dataclass(frozen=True)
class Row:
    """One row of the matrix. `fault` runs during the load, `after` when it is over and before the invariants."""

    name: str
    title: str
    fault: Fault
    injects: str
    after: Fault | None = None
    before: Fault | None = None  # ahead of the load
    setting: Setting = field(default_factory=Setting)
    only_full: bool = False  # needs three of something, or leaves a stand that no other row can use
    turn: int = 0  # among the rows that share a stand: less while there is little to do anew, more when later ones pay for it
    needs: Callable[[], str] = lambda: ""  # why this machine cannot run it; "" when it can

    def on(self, brokers: int) -> Row:
        """The same row with so many brokers, if it does not ask for more itself."""
        return replace(self, setting=replace(self.setting, brokers=max(brokers, self.setting.brokers)))


@dataclass
class Result:
    """What a row found."""

    row: str
    title: str
    injects: str
    log: str
    injections: int
    acknowledged: int
    changes: int
    events: int
    delivered: int
    retried: int
    refused: int
    slowest_refusal_s: float
    heard: int
    connections: int
    load_seconds: float
    rate: float
    seconds: float
    differences: list[str]
    notes: dict[str, Any]

    @property
    def green(self) -> bool:
        """Whether nothing differs and something was really done."""
        return not self.differences

    def as_json(self) -> dict[str, Any]:
        """For the file."""
        return asdict(self) | {"result": "green" if self.green else "red"}


def run(row: Row, stand: Stand, *, kills: int, seconds: float, longest_s: float, folder: Path, seed: int = 1) -> Result:
    """Run a row on a stand: `kills` in the rows that count them, within `longest_s`; `seconds` of load in the others."""
    begun = time.monotonic()
    journal = Journal(folder / f"row-{row.name}.ndjson")
    journal.path.unlink(missing_ok=True)
    listener = Listener(lambda: stand.address)
    load = Load(lambda: stand.address, stand.token, journal, stand.serials, RATE, seed)
    running = Run(stand, load, listener, kills, seconds, longest_s)
    try:
        if row.before is not None:
            row.before(running)
        listener.start()
        with loading(load), running.noting():
            running.await_writes(50)
            row.fault(running)
            running.await_writes(20)
        stand.pool.stop()
        stand.accepted += journal.accepted
        if row.after is not None:
            with running.noting():
                row.after(running)
        findings = check(stand, listener)
    finally:
        for close in running.closing:
            close()
        stand.pool.stop()
        listener.stop()
    running.demand(running.injections > 0, "nothing was injected")
    running.demand(listener.changes > 0, "the stream said nothing")
    return Result(
        row.name, row.title, row.injects, "kafka" if stand.setting.brokers else "embedded", running.injections,
        load.acknowledged, findings.changes, findings.events, findings.delivered, journal.retried, len(journal.refused_s),
        round(max(journal.refused_s, default=0.0), 2), listener.changes, listener.connections, round(load.seconds, 1),
        round(load.acknowledged / load.seconds, 1), round(time.monotonic() - begun, 1),
        journal.violations[:20] + running.differences + findings.differences, running.notes,
    )
