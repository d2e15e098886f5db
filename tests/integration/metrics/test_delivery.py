"""Whatever the delivery, the stored rows and steps are those of a recount from scratch."""

from __future__ import annotations

from random import Random
from typing import Any

import pytest

from services.metrics.definitions import Definitions
from services.metrics.engine.dossier import event_of
from services.metrics.ingest import Ingest
from services.metrics.reconcile import compare_rows, compare_steps, rows_of, stored_rows
from services.metrics.store.collections import Store
from services.metrics.store.folding import Folder
from services.metrics.store.steps import StepStore
from shared.log.embedded import EmbeddedLog
from tests.integration.metrics.district import FIRM, INCENTIVES, OTHER, REGISTRY, XIANGZHOU, XINGANG, Events, entry

FIRMS = (FIRM, OTHER, "91441500MAQQQQ035L")


class Killed(Exception):
    """Stands for a kill in the middle of a transaction."""


def history(random: Random) -> list[dict[str, Any]]:
    """A district's life: records made, corrected, revoked, moved."""
    events, made = Events(), []
    versions: dict[str, int] = {}

    def version(record: str) -> int:
        versions[record] = versions.get(record, 0) + 1
        return versions[record]

    for _ in range(60):
        uscc, number = random.choice(FIRMS), random.randrange(4)
        day = f"2026-0{random.randrange(1, 9)}-1{random.randrange(10)}"
        match random.randrange(5):
            case 0:
                towns = [{"from": "2010-01-01", "to": day, "value": XINGANG}, {"from": day, "to": None, "value": XIANGZHOU}]
                made.append(events.enterprise(uscc, XIANGZHOU, version(uscc), towns=towns))
            case 1:
                name = f"GR20254400{number}{FIRMS.index(uscc)}00"
                made.append(events.certificate(name, uscc, random.choice(("2023-07-01", "2025-11-30")), version(name)))
            case 2:
                name = f"GR20254400{number}{FIRMS.index(uscc)}00"
                gone = {"state": "revoked", "revoked": [{"from": day, "to": None}]}
                made.append(events.certificate(name, uscc, "2025-11-30", version(name), **gone))
            case 3:
                state = random.choice(("registered", "registered", "invalidated"))
                name, person = f"i{number}", f"p_{number % 3}"
                made.append(events.introduction(name, person, random.choice((XINGANG, XIANGZHOU)), version(name), state=state))
            case _:
                make = events.above_scale if number else events.rd_unit
                if version(f"{make.__name__}-{uscc}") == 1:
                    made.append(make(f"{make.__name__}-{uscc}", uscc))
    return made


@pytest.mark.parametrize("seed", range(6))
def test_shuffled_doubled_and_interrupted_delivery_equals_a_recount(
    seed: int, store: Store, log: EmbeddedLog, definitions: Definitions, monkeypatch: pytest.MonkeyPatch
) -> None:
    random = Random(seed)
    made = history(random)
    delivered = [*made, *random.sample(made, 20)]
    random.shuffle(delivered)
    for event in delivered:
        log.append(INCENTIVES if event["source"] == "/incentives" else REGISTRY, [entry(event)])
    mark = Folder._mark

    def sometimes(self: Folder, session: Any, indicators: set[str]) -> None:
        if random.random() < 0.3:
            raise Killed
        mark(self, session, indicators)

    monkeypatch.setattr(Folder, "_mark", sometimes)
    _drain(store, log, definitions, random)
    by_key: dict[str, dict[tuple[str, str, int], Any]] = {}
    for event in made:
        parsed = event_of(event)
        by_key.setdefault(parsed.key, {})[(parsed.kind, parsed.id, parsed.version)] = parsed
    expected = {key: rows for key, events in by_key.items() if (rows := rows_of(key, events.values(), definitions))}
    assert compare_rows(expected, stored_rows(store, 1)) == []
    assert compare_steps(expected, StepStore(store, 1)) == []


def _drain(store: Store, log: EmbeddedLog, definitions: Definitions, random: Random) -> None:
    """Batches of any size, a new process after every kill."""
    ingest = Ingest(store, log, definitions, batch=random.randrange(1, 12))
    while True:
        try:
            if not ingest.step():
                return
        except Killed:
            ingest = Ingest(store, log, definitions, batch=random.randrange(1, 12))
