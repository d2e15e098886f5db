"""The write path: a record and its change document in one transaction, or nothing at all."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from typing import Any

from shared.auth.principal import Principal
from shared.errors import Conflict, Forbidden
from shared.mongo import transact
from shared.records import steps
from shared.records.amend import amend
from shared.records.content import unsealed
from shared.records.create import GIVEN, given, new_record, reopened
from shared.records.kind import Kind
from shared.records.once import EXISTS, Answer, Once, guarded, remember
from shared.records.store import Store
from shared.records.work import TransactionWork
from shared.records.workflow import Context, Image, Request

TAKEN = "a record with this identity exists already"
DECISIONS = frozenset({"confirm_change", "refuse_change"})


class Records(Store):
    """What may be done with the records of one service."""

    def create(self, kind: Kind, body: Image, principal: Principal, once: Once | None = None) -> Answer:
        """A new record and the status to answer with. Raises Forbidden, Invalid with all faults, Conflict."""
        if not principal.has(*kind.posters):
            raise Forbidden(f"{kind.name} may be posted by: {', '.join(sorted(kind.posters))}")

        def work(_: Any) -> Answer:
            context = self.context(principal, writes=True)
            image, change = self.new(kind, body, principal, context)
            over = self.find(kind.name, image["id"]) if kind.reopens else None
            if over is not None and over["state"] in kind.reopens:
                image = self.replace(kind, over, reopened(over, image), "post", principal, context)
            else:
                self.insert(kind, [(image, change)])
            remember(self, once, image, principal)
            return image, 201

        with self._line(kind):
            try:
                return guarded(self, work, once, principal, f"{kind.name} with this identity exists already")
            except Conflict as conflict:
                if kind.taken is None or conflict.faults[:1] != [EXISTS]:
                    raise
                holder = self.find(kind.name, kind.identifier(body))
                raise (kind.taken(holder, f"/{self.service}/v1/{kind.name}") if holder else conflict) from None

    def new(self, kind: Kind, body: Image, principal: Principal, context: Context) -> tuple[Image, Image]:
        """The image and change document of a new record, not stored yet."""
        own = {name: value for name, value in body.items() if name not in GIVEN}
        return new_record(self, kind, own, principal, context, **given(kind, body, principal))

    def context(self, principal: Principal, *, writes: bool = False) -> Context:
        """What rules may know and, inside a transaction, write."""
        return TransactionWork(self, principal, writes=writes).context

    def amend(
        self, kind: Kind, record_id: str, body: Image, expected: int, principal: Principal, once: Once | None = None
    ) -> Answer:
        """Apply a merge patch, or propose it when the record counts and the caller is no feed."""

        def work(_: Any) -> Answer:
            image = amend(self, kind, self.current(kind, record_id, expected, principal), body, principal,
                          self.context(principal, writes=True))
            remember(self, once, image, principal)
            return image, 200

        return guarded(self, work, once, principal, TAKEN)

    def transition(
        self, kind: Kind, record_id: str, request: Request, expected: int, principal: Principal, once: Once | None = None
    ) -> Answer:
        """Take a step of the workflow. Raises RuleBroken (no such step now), Forbidden (not this role, or the same hand)."""

        def work(_: Any) -> Answer:
            old = self.current(kind, record_id, expected, principal, request.action)
            act = steps.decide if request.action in DECISIONS else steps.step
            image = act(self, kind, old, request, principal, self.context(principal, writes=True))
            remember(self, once, image, principal)
            return image, 200

        with self._line(kind):
            return guarded(self, work, once, principal, TAKEN)

    def _line(self, kind: Kind) -> AbstractContextManager[Any]:
        """Whose steps all change one other record wait in this process for each other: colliding and retrying starves some."""
        return self.line.turn() if kind.in_line else nullcontext()

    def insert_batch(self, kind: Kind, pairs: list[tuple[Image, Image]]) -> None:
        """Store many new records with their changes in one transaction. Raises DuplicateKeyError, then nothing is stored."""
        transact(self.client, lambda _: self.insert(kind, pairs))

    def unsealed(self, kind: Kind, image: Image) -> Image:
        """The personal fields in clear: for checks inside the service only."""
        return unsealed(self, kind, image)
