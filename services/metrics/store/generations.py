"""Generations: one complete set of dossiers, rows, step functions and positions, made by one set of rules.

A rebuild fills a new generation beside the active one and switches in one write; the old one is swept afterwards.
Every document of a generation carries its number as `gen`.
"""

from __future__ import annotations

from dataclasses import dataclass

from pymongo import ReturnDocument

from services.metrics.store.collections import Store

ACTIVE = "active"
COUNTER = "generations"
CONDEMNED = "condemned"  # in place of the digest of the rules: no process has such rules, so the next start rebuilds


@dataclass(frozen=True)
class Generation:
    """A generation and the digest of the rules that made it."""

    number: int
    digest: str

    @property
    def condemned(self) -> bool:
        """Whether it was found damaged; it is read until another has taken its place."""
        return self.digest == CONDEMNED


class Generations:
    """Which generation is active, and the making of new ones."""

    def __init__(self, store: Store) -> None:
        self.store = store

    def active(self) -> Generation | None:
        """The generation that is read and fed now; None before the first."""
        found = self.store.state.find_one({"_id": ACTIVE})
        return Generation(found["generation"], found["digest"]) if found else None

    def new(self, digest: str) -> Generation:
        """A fresh, empty generation, not yet active."""
        counted = self.store.state.find_one_and_update(
            {"_id": COUNTER}, {"$inc": {"last": 1}}, upsert=True, return_document=ReturnDocument.AFTER
        )
        assert counted is not None
        return Generation(counted["last"], digest)

    def first(self, digest: str) -> Generation:
        """The active generation; makes an empty one when there is none."""
        found = self.active()
        if found is None:
            made = self.new(digest)
            self.store.state.update_one(
                {"_id": ACTIVE}, {"$setOnInsert": {"generation": made.number, "digest": digest}}, upsert=True
            )
            found = self.active()
        assert found is not None
        return found

    def switch(self, to: Generation) -> None:
        """Make `to` the active one, in one write."""
        self.store.state.update_one({"_id": ACTIVE}, {"$set": {"generation": to.number, "digest": to.digest}}, upsert=True)

    def condemn(self, number: int) -> None:
        """Have the active generation made anew; nothing when another is active already."""
        self.store.state.update_one({"_id": ACTIVE, "generation": number}, {"$set": {"digest": CONDEMNED}})

    def sweep(self) -> int:
        """Delete everything that belongs to generations older than the active one; how many documents went."""
        active = self.active()
        if active is None:
            return 0
        gone = 0
        for collection in (self.store.positions, self.store.dirty, self.store.steps, self.store.rows, self.store.dossiers):
            gone += collection.delete_many({"gen": {"$lt": active.number}}).deleted_count
        return gone

    def discard(self, generation: Generation) -> None:
        """Delete an unfinished generation."""
        for collection in (self.store.positions, self.store.dirty, self.store.steps, self.store.rows, self.store.dossiers):
            collection.delete_many({"gen": generation.number})
