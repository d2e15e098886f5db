"""Whether the stack can be used: the store answers, every service says so itself, what was written is published."""

from __future__ import annotations

import time
import urllib.error
import urllib.request
from collections.abc import Callable
from contextlib import closing
from datetime import date
from typing import Any

from pymongo import MongoClient
from pymongo.errors import PyMongoError

from deploy.local.data_dir import Running, UsageError
from deploy.local.environment import DB_PREFIX, log_environment
from shared.errors import Unavailable

PREFIXES = ("/registry", "/incentives", "/metrics", "")
SERVICES = ("registry", "incentives")
STEP_S = 0.03
SETTLE_S = 600
PUBLISH_S = 120


def check_mongo(uri: str) -> None:
    """Raises UsageError unless `uri` leads to a replica set or a mongos, which transactions need."""
    try:
        with MongoClient[dict[str, Any]](uri, serverSelectionTimeoutMS=5000) as client:
            hello = client.admin.command("hello")
    except (PyMongoError, ValueError) as error:
        raise UsageError(f"no MongoDB answers at {_shown(uri)}: {str(error).partition(' (')[0]}") from None
    if "setName" not in hello and hello.get("msg") != "isdbgrid":
        raise UsageError(f"the MongoDB at {_shown(uri)} is no replica set, which transactions need")


def _shown(uri: str) -> str:
    """An address without its password and options."""
    return uri.split("://")[-1].rsplit("@", 1)[-1].partition("/")[0]


def not_ready(url: str) -> list[str]:
    """The first service that does not say yes at `/-/ready`, if there is one."""
    for prefix in PREFIXES:
        if not _says_yes(f"{url}{prefix}/-/ready"):
            return [prefix.strip("/") or "portal"]
    return []


def _says_yes(address: str) -> bool:
    try:
        with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(address, timeout=1) as answer:
            return int(answer.status) == 200
    except (urllib.error.URLError, OSError):
        return False


def await_published(mongo_uri: str, day: date, proceed: Callable[[], bool] = lambda: True) -> None:
    """Return when the publisher has announced the readings of `day`, or `proceed` says no.

    Every process reads the clock by itself; what takes time after a midnight is the publisher's round.
    """
    deadline = time.monotonic() + PUBLISH_S
    with MongoClient[dict[str, Any]](mongo_uri) as client:
        state = client[f"{DB_PREFIX}_metrics"]["state"]
        while proceed():
            if state.find_one({"published_as_of": {"$gte": day.isoformat()}}) is not None:
                return
            if time.monotonic() > deadline:
                raise Unavailable(f"{day} was not published within {PUBLISH_S} s")
            time.sleep(STEP_S)


def await_settled(running: Running, within_s: float = SETTLE_S) -> None:
    """Return when all that was written is on the log, folded and published. Raises Unavailable when it takes too long."""
    from shared.log.open import open_log

    deadline = time.monotonic() + within_s
    with MongoClient[dict[str, Any]](running.mongo_uri, tz_aware=True) as client, closing(open_log(log_environment(running.kafka), client)) as log:
        while _pending(client) or not _folded(client, log):
            if time.monotonic() > deadline:
                raise Unavailable(f"not everything was published within {within_s:g} s")
            time.sleep(STEP_S)


def _pending(client: MongoClient[dict[str, Any]]) -> bool:
    """Whether a change waits for its relay."""
    stores = (client[f"{DB_PREFIX}_{service}"]["changes"] for service in SERVICES)
    return any(changes.find_one({"published": False}, {"_id": 1}) is not None for changes in stores)


def _folded(client: MongoClient[dict[str, Any]], log: Any) -> bool:
    """Whether the log is folded to its end, and nothing waits for the publisher."""
    from services.metrics.ingest import TOPICS
    from services.metrics.lag import folded
    from services.metrics.store.collections import Store
    from services.metrics.store.generations import Generations
    from services.metrics.store.positions import Positions

    store = Store(client, f"{DB_PREFIX}_metrics")
    active = Generations(store).active()
    ends = {topic: log.end_offsets(topic) for topic in TOPICS}
    if active is None or not folded(ends, Positions(store, active.number).read_all()):
        return False
    return store.dirty.find_one({"gen": active.number}, {"_id": 1}) is None
