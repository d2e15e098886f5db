"""The running transaction as rules see it: what an effect must change or create besides its own record goes with it."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from typing import Any

from pymongo import ReturnDocument

from shared.auth.principal import Principal
from shared.clock import format_instant
from shared.errors import NotFound, RuleBroken
from shared.ids import new_id
from shared.records.content import unsealed
from shared.records.create import new_record
from shared.records.image import collection_of, from_store
from shared.records.steps import take
from shared.records.store import Store
from shared.records.workflow import Context, Image, Request


class TransactionWork:
    """Reads and writes for rules (see workflow.Work), in the name of the caller whose request runs.

    `writes` is False where no transaction runs (a dry run, a batch that is only being prepared): then a write is a
    mistake of ours and raises RuntimeError. Build one anew for each attempt of a transaction.
    """

    def __init__(self, store: Store, principal: Principal, *, writes: bool) -> None:
        now = store.clock.now()
        self.store, self.principal, self.writes = store, principal, writes
        self.context = Context(principal, now.date(), format_instant(now), store.find, self)

    def find(self, kind: str, record_id: str) -> Image | None:
        """Another record as it stands, or None. It may change meanwhile: `hold` it where that matters."""
        return self.store.find(kind, record_id)

    def hold(self, kind: str, record_id: str) -> Image | None:
        """Another record, which no other transaction changes before this one ends; None if there is none.

        A snapshot alone lets two transactions each change what the other only read. Its version stays as it is.
        """
        self._writing()
        collection = self.store.database[collection_of(self.store.kinds[kind])]
        held = {"$set": {"held_by": new_id()}}
        found = collection.find_one_and_update({"_id": record_id}, held, return_document=ReturnDocument.AFTER)
        return from_store(found) if found else None

    def create(self, kind: str, body: Image, *, state: str | None = None, reason: str | None = None) -> Image:
        """Another new record with its change. Raises Invalid; a taken identity fails the whole transaction (409)."""
        self._writing()
        of_kind = self.store.kinds[kind]
        image, change = new_record(self.store, of_kind, body, self.principal, self.context, state=state, reason=reason)
        self.store.insert(of_kind, [(image, change)])
        return image

    def create_all(self, kind: str, bodies: Iterable[Image]) -> None:
        """Several new records of one kind at once, each with its change. Raises as `create` does."""
        self._writing()
        of_kind = self.store.kinds[kind]
        pairs = [new_record(self.store, of_kind, body, self.principal, self.context) for body in bodies]
        if pairs:
            self.store.insert(of_kind, pairs)

    def change(
        self, kind: str, record_id: str, edit: Callable[[Image], None], action: str, *, reason: str | None = None,
        effective_on: str | None = None,
    ) -> Image:
        """Another record's next version: `edit` changes a copy in place. Raises NotFound, StaleVersion."""
        self._writing()
        old = self._there(kind, record_id)
        fresh: Image = json.loads(json.dumps(old))
        edit(fresh)
        return self.store.replace(self.store.kinds[kind], old, fresh, action, self.principal, self.context, reason, effective_on)

    def step(self, kind: str, record_id: str, request: Request) -> Image:
        """Another record taken along its workflow: the first action is the authority. Raises NotFound, RuleBroken."""
        self._writing()
        old, of_kind = self._there(kind, record_id), self.store.kinds[kind]
        line = of_kind.workflow.find(old["state"], request.action)
        if line is None:
            raise RuleBroken(f"{request.action} is not possible from {old['state']}")
        return take(self.store, of_kind, old, line, request, self.principal, self.context)

    def matching(self, kind: str, where: Image, *, by: str = "_id", limit: int = 100) -> list[Image]:
        """Other records whose fields have these values, in the order of a field, at most `limit`."""
        collection = self.store.database[collection_of(self.store.kinds[kind])]
        return [from_store(found) for found in collection.find(where).sort(by, 1).limit(limit)]

    def beside(self, collection: str) -> Any:
        """A collection of the service's own database that holds no records, in the same transaction."""
        return self.store.database[collection]

    def clear(self, kind: str, image: Image) -> Image:
        """The personal fields of a record's image in clear."""
        return unsealed(self.store, self.store.kinds[kind], image)

    def _there(self, kind: str, record_id: str) -> Image:
        found = self.store.find(kind, record_id)
        if found is None:
            raise NotFound(f"no {kind} {record_id}")
        return found

    def _writing(self) -> None:
        if not self.writes:
            raise RuntimeError("a rule may write other records only inside a transaction")
