"""The registry in process on the real MongoDB, with a clock that moves and callers that need no token."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import count
from pathlib import Path
from typing import Any

import mongoengine
import pytest

from services.registry import app as service
from shared.auth.principal import Principal
from shared.auth.roles import Role
from shared.clock import DemoClock, parse_instant
from shared.records.workflow import Request
from tests.integration.records.conftest import Office
from tests.integration.records.test_kinds import bodies
from tests.system.made import HONGCAO, uscc

BASE = "/registry/v1"
FEED = Principal("feed", frozenset({Role.DATA_FEED}))
NUMBERS = count(5000)  # of enterprises made here


class Registry(Office):
    """The registry of one test module."""

    def __init__(self, mongo_uri: str, folder: Path) -> None:
        self.clock = DemoClock.create(folder / "clock", parse_instant("2026-03-02T09:00:00+08:00"))
        super().__init__(mongo_uri, folder, {"DEMO_CLOCK_FILE": str(folder / "clock")}, services=(service,))
        self.records = self.clients["registry"].application.extensions["records"]

    def at(self, instant: str) -> None:
        """Move the clock forward."""
        self.clock.set(parse_instant(instant if "T" in instant else f"{instant}T09:00:00+08:00"))

    def body(self, kind: str, **more: Any) -> dict[str, Any]:
        """A whole body of a new record; of an enterprise of its own unless told otherwise."""
        return bodies(next(NUMBERS))[kind] | more

    def put(self, kind: str, state: str, history: tuple[tuple[str, str], ...] = (), **more: Any) -> Any:
        """A record in a state, as an office brings it along: `history` is (action, actor)."""
        past = [{"action": action, "actor": actor, "at": f"2026-01-05T09:0{n}:00+08:00"} for n, (action, actor) in enumerate(history)]
        body = self.body(kind, state=state, history=past) | more
        return self.records.create(self.records.kinds[kind], body, FEED)[0]

    def take(self, kind: str, image: Any, action: str, caller: Principal, **asked: Any) -> Any:
        """A transition by a caller."""
        return self.records.transition(self.records.kinds[kind], image["id"], Request(action, **asked), image["version"], caller)[0]

    def stored(self, kind: str, record_id: str) -> Any:
        """The record as stored."""
        return self.records.find(kind, record_id)


def caller(*roles: Role, actor: str | None = None, town: str | None = HONGCAO, enterprise: str | None = None) -> Principal:
    """Somebody of these roles, a stranger to every file unless named."""
    town = town if Role.TOWN_REVIEWER in roles else None
    return Principal(actor or f"stranger-{'-'.join(roles)}", frozenset(roles), town, enterprise)


@pytest.fixture(scope="module")
def registry(mongo_uri: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Registry]:
    mongoengine.disconnect_all()
    yield Registry(mongo_uri, Path(tmp_path_factory.mktemp("registry")))
    mongoengine.disconnect_all()


__all__ = ["BASE", "FEED", "HONGCAO", "NUMBERS", "Registry", "caller", "uscc"]
