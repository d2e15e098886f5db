from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from threading import Semaphore
from typing import Any

import httpx
import pytest

from services.metrics import rebuild
from services.metrics.definitions import Definitions
from services.metrics.feeds import Feed
from services.metrics.ingest import TOPICS, Ingest
from services.metrics.publisher import Publisher
from services.metrics.reconcile import Outcome, reconcile
from services.metrics.store.collections import Store
from services.metrics.store.generations import Generations
from services.metrics.store.publications import Publications
from shared.errors import ConfigError, Unavailable
from shared.log.embedded import EmbeddedLog
from shared.relay.lease import Lease
from tests.integration.metrics.district import FIRM, INCENTIVES, OTHER, REGISTRY, Events, entry, make_definitions

Give = Callable[..., int]


class Services:
    """The two event feeds, as the services serve them: whatever was written, page by page."""

    def __init__(self) -> None:
        self.events: dict[str, list[dict[str, Any]]] = {"registry": [], "incentives": []}
        self.pending = 0
        self.asked = 0

    def feeds(self) -> list[Feed]:
        http = httpx.Client(transport=httpx.MockTransport(self._answer), base_url="http://feeds")
        return [Feed(service, http) for service in self.events]

    def _answer(self, request: httpx.Request) -> httpx.Response:
        self.asked += 1
        service = request.url.path.split("/")[1]
        begin, limit = int(request.url.params.get("after", 0)), min(int(request.url.params["limit"]), 3)
        listed = self.events[service]
        end = begin + limit
        return httpx.Response(
            200,
            json={
                "items": listed[begin:end],
                "next": str(end) if end < len(listed) else None,
                "last": str(min(end, len(listed))),
                "pending": self.pending,
            },
        )


@pytest.fixture
def services() -> Services:
    return Services()


@pytest.fixture
def write(services: Services, log: EmbeddedLog, feed: Give) -> Give:
    """What a service does: the event is in its store and, by its relay, in the log."""

    def give(*made: dict[str, Any], topic: str = REGISTRY) -> int:
        services.events["registry" if topic == REGISTRY else "incentives"] += made
        return feed(*made, topic=topic)

    return give


@pytest.fixture
def full(write: Give, events: Events) -> Iterator[None]:
    write(
        events.enterprise(FIRM),
        events.certificate("GR202544000001", FIRM),
        events.above_scale("a1", FIRM),
        events.rd_unit("r1", FIRM),
        events.enterprise(OTHER),
        events.certificate("GR202544000002", OTHER),
    )
    write(events.certificate("GR202544000001", FIRM, version=2, state="revoked", revoked=[{"from": "2026-02-01", "to": None}]))
    write(*[events.introduction(f"i{n}", f"p_{n}") for n in range(7)], topic=INCENTIVES)
    return


def contents(store: Store, generation: int) -> Any:
    """Everything that a generation holds, without its number."""
    rows = sorted(
        json.dumps({k: v for k, v in row.items() if k not in ("_id", "gen")}, sort_keys=True)
        for row in store.rows.find({"gen": generation})
    )
    steps = {
        (doc["partition"], doc["indicator"]): {
            name: {day: change for day, change in days.items() if change} for name, days in doc["cells"].items()
        }
        for doc in store.steps.find({"gen": generation})
    }
    nonzero = {key: {name: days for name, days in cells.items() if days} for key, cells in steps.items()}
    return rows, nonzero, sorted(doc["body"] for doc in store.dossiers.find({"gen": generation}))


@pytest.mark.usefixtures("full")
def test_a_rebuild_from_the_log_gives_the_same_to_the_bit(
    store: Store, log: EmbeddedLog, definitions: Definitions, publisher: Publisher
) -> None:
    before, sequence = contents(store, 1), Publications(store).state().sequence
    made = rebuild.from_log(store, log, definitions)
    assert (made.number, Generations(store).active()) == (2, made)
    assert contents(store, 2) == before
    assert store.rows.count_documents({"gen": 1}) == 0
    assert publisher.step() == 0
    assert Publications(store).state().sequence == sequence


@pytest.mark.usefixtures("full")
def test_a_rebuild_from_the_stores_gives_the_same_and_goes_on_from_the_log(
    store: Store, log: EmbeddedLog, definitions: Definitions, services: Services, ingest: Ingest, write: Give, events: Events
) -> None:
    before = contents(store, 1)
    rebuild.from_stores(store, log, definitions, services.feeds())
    assert contents(store, 2) == before
    assert ingest.drain() == 0
    assert write(events.certificate("GR202544000009", FIRM)) == 1


@pytest.mark.usefixtures("full")
def test_a_rebuild_from_the_stores_needs_no_log(
    store: Store, mongo: Any, database_name: str, definitions: Definitions, services: Services
) -> None:
    before = contents(store, 1)
    mongo.drop_database(f"{database_name}_log")
    rebuild.from_stores(store, EmbeddedLog(mongo, database=f"{database_name}_log"), definitions, services.feeds())
    assert contents(store, 2) == before


@pytest.mark.usefixtures("full")
def test_ingest_follows_a_switch_that_happens_beside_it(
    store: Store, log: EmbeddedLog, definitions: Definitions, ingest: Ingest, events: Events
) -> None:
    log.append(REGISTRY, [entry(events.certificate("GR202544000007", FIRM))])
    rebuild.from_log(store, log, definitions)
    log.append(REGISTRY, [entry(events.certificate("GR202544000008", FIRM))])
    assert ingest.drain() == 1
    assert store.dossiers.count_documents({"gen": 1}) == 0


@pytest.mark.usefixtures("full")
def test_other_definitions_rebuild_before_ingest_goes_on(
    store: Store, log: EmbeddedLog, ingest: Ingest, publisher: Publisher, definitions: Definitions
) -> None:
    fewer = make_definitions(indicators={"hnte_count": definitions.plan.indicators["hnte_count"]})
    assert fewer.digest != definitions.digest
    assert rebuild.ensure_current(store, log, fewer).number == 2
    assert store.steps.distinct("indicator") == ["hnte_count"]
    for process in (ingest, publisher):  # they know other definitions: whoever runs them starts them anew
        with pytest.raises(ConfigError):
            process.step()
    assert Publisher(store, log, fewer, publisher.clock, publisher.fence).step() >= 0


@pytest.mark.usefixtures("full")
def test_who_waits_for_another_s_rebuild_is_alive(
    store: Store, log: EmbeddedLog, ingest: Ingest, definitions: Definitions, monkeypatch: pytest.MonkeyPatch
) -> None:
    ingest.drain()
    other, stop, beats = Lease(store.leases, "rebuild", ttl_s=60), threading.Event(), Semaphore(0)
    assert other.keep()
    monkeypatch.setattr(rebuild, "beat", beats.release)
    fewer = make_definitions(indicators={"hnte_count": definitions.plan.indicators["hnte_count"]})
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(rebuild.ensure_current, store, log, fewer, stop)
        try:
            assert all(beats.acquire(timeout=30) for _ in range(3))
        finally:
            stop.set()
        with pytest.raises(rebuild.Interrupted):
            waiting.result(30)


@pytest.mark.usefixtures("full")
def test_reconcile_finds_no_difference(store: Store, log: EmbeddedLog, definitions: Definitions, services: Services) -> None:
    outcome = reconcile(store, log, definitions, services.feeds(), wait_s=5)
    assert (outcome.differences, outcome.events, outcome.dossiers) == ([], 14, 9)
    assert outcome.rows == store.rows.count_documents({})


@pytest.mark.usefixtures("full")
def test_reconcile_names_the_records_that_differ(
    store: Store, log: EmbeddedLog, definitions: Definitions, services: Services
) -> None:
    store.rows.delete_one({"key": OTHER, "indicator": "hnte_count"})
    store.rows.update_one({"key": "p_3"}, {"$set": {"amount": 2}})
    document = store.steps.find_one({"indicator": "rd_coverage"})
    assert document is not None
    name, days = next(iter(document["cells"].items()))
    store.steps.update_one({"_id": document["_id"]}, {"$inc": {f"cells.{name}.{next(iter(days))}": 1}})
    outcome = reconcile(store, log, definitions, services.feeds(), wait_s=5)
    text = "\n".join(outcome.differences)
    assert f"missing {OTHER}" in text
    assert "i3" in text or "p_3" in text
    assert "step rd_coverage" in text


def test_reconcile_does_not_judge_what_is_still_under_way(
    store: Store, log: EmbeddedLog, definitions: Definitions, services: Services, events: Events
) -> None:
    services.pending = 1
    with pytest.raises(Unavailable, match="relays"):
        reconcile(store, log, definitions, services.feeds(), wait_s=0)
    services.pending = 0
    log.append(TOPICS[0], [entry(events.enterprise(FIRM))])
    with pytest.raises(Unavailable, match="ingest"):
        reconcile(store, log, definitions, services.feeds(), wait_s=0)
    assert Outcome().differences == []
