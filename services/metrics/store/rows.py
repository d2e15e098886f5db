"""Rows at rest: what each subject adds to which indicator, on which days, known from when to when.

`known_to` NOW means it is known now. A row's id is made from its content, so that writing it twice writes it once.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from hashlib import blake2b
from typing import Any

from bson.binary import Binary
from pymongo import DeleteMany, InsertOne, UpdateOne
from pymongo.client_session import ClientSession

from services.metrics.engine.dossier import KnownRow, RowChange
from services.metrics.engine.rules import Row
from services.metrics.store.collections import Store
from services.metrics.store.steps import Steps

NOW = (1 << 62) - 1  # ms: later than any instant
Write = InsertOne[dict[str, Any]] | UpdateOne | DeleteMany


class RowStore:
    """Rows of one generation."""

    def __init__(self, store: Store, generation: int) -> None:
        self.collection = store.rows
        self.generation = generation

    def writes(self, key: str, partition: int, change: RowChange) -> list[Write]:
        """The statements that bring a dossier's stored rows up to a fold's outcome."""
        found: list[Write] = [DeleteMany({"gen": self.generation, "key": key})] if change.rewritten else []
        for known in change.rows:
            document = self._document(key, partition, known)
            if change.rewritten or known.known_to is None:
                found.append(InsertOne(document))
            else:
                found.append(UpdateOne({"_id": document.pop("_id")}, {"$set": document}, upsert=True))
        return found

    def write(self, session: ClientSession, writes: list[Write]) -> None:
        """Carry them out, in order."""
        if writes:
            self.collection.bulk_write(writes, ordered=True, session=session)

    def of_dossier(self, key: str) -> list[KnownRow]:
        """All stored rows of one subject."""
        return [known_row(document) for document in self.collection.find({"gen": self.generation, "key": key})]

    def counted(self, indicator: str, known_at_ms: int | None, part: str | None = None) -> Iterator[tuple[str, Row]]:
        """(subject, row) of an indicator as known now, or at an instant."""
        query: dict[str, Any] = {"gen": self.generation, "indicator": indicator}
        if part is not None:
            query["part"] = part
        for document in self.collection.find({**query, **_known(known_at_ms)}):
            yield document["key"], row_of(document)

    def steps(self, known_at_ms: int, indicators: Iterable[str] | None = None) -> dict[str, Steps]:
        """Step functions as they were known at an instant, summed from the rows."""
        query: dict[str, Any] = {"gen": self.generation, **_known(known_at_ms)}
        if indicators is not None:
            query["indicator"] = {"$in": list(indicators)}
        found: dict[str, Steps] = {}
        fields = {"_id": 0, "indicator": 1, "part": 1, "cell": 1, "start": 1, "end": 1, "amount": 1}
        for document in self.collection.find(query, fields):
            cell = tuple((dim, value) for dim, value in document["cell"])
            days = found.setdefault(document["indicator"], {}).setdefault((document["part"], cell), {})
            days[document["start"]] = days.get(document["start"], 0) + document["amount"]
            days[document["end"]] = days.get(document["end"], 0) - document["amount"]
        return found

    def _document(self, key: str, partition: int, known: KnownRow) -> dict[str, Any]:
        row = known.row
        content = repr(
            (
                self.generation,
                key,
                row.indicator,
                row.part,
                row.cell,
                row.start,
                row.end,
                row.amount,
                row.record,
                known.known_from,
            )
        )
        return {
            "_id": Binary(blake2b(content.encode("utf-8"), digest_size=16).digest()),
            "gen": self.generation,
            "key": key,
            "partition": partition,
            "indicator": row.indicator,
            "part": row.part,
            "cell": [list(pair) for pair in row.cell],
            "start": row.start,
            "end": row.end,
            "amount": row.amount,
            "record": row.record,
            "known_from": known.known_from,
            "known_to": NOW if known.known_to is None else known.known_to,
        }


def row_of(document: dict[str, Any]) -> Row:
    """The engine's row from its stored form."""
    cell = tuple((dim, value) for dim, value in document["cell"])
    return Row(
        document["indicator"],
        document["part"],
        cell,
        document["start"],
        document["end"],
        document["amount"],
        document["record"],
    )


def known_row(document: dict[str, Any]) -> KnownRow:
    """The same with the interval in which it was known."""
    known_to = document["known_to"]
    return KnownRow(row_of(document), document["known_from"], None if known_to == NOW else known_to)


def _known(at_ms: int | None) -> dict[str, Any]:
    if at_ms is None:
        return {"known_to": NOW}
    return {"known_from": {"$lte": at_ms}, "known_to": {"$gt": at_ms}}
