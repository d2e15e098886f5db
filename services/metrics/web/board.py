"""The board: every indicator's JSON for a day and a state of knowledge, computed once per state of the store."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import date
from typing import Any, TypeVar

from services.metrics.definitions import Definitions
from services.metrics.readings import Item, Readings
from services.metrics.store.collections import Store
from services.metrics.store.generations import Generations
from services.metrics.store.positions import Positions
from services.metrics.store.publications import STALE_AFTER_S, Publication, Publications
from services.metrics.web.parameters import Moment
from shared.clock import Clock, today

CACHED = 256
NOW = Moment()
Answer = TypeVar("Answer")


@dataclass(frozen=True)
class Question:
    """What is asked of the board."""

    on: date
    known: Moment = NOW
    period: str | None = None
    by: str | None = None

    def is_present(self, state: Publication, now: date) -> bool:
        """Whether the published answer is the answer."""
        plain = self.known.at_ms is None and self.period is None
        return plain and self.on == now and state.published_as_of == now.isoformat()


@dataclass(frozen=True)
class Edition:
    """The state of the store that an answer was computed from."""

    generation: int
    positions: tuple[int, ...]
    publication: Publication


class Board:
    """Answers questions from what is published when that is what was asked for, else from step functions or rows."""

    def __init__(self, store: Store, definitions: Definitions, clock: Clock, stale_after_s: float = STALE_AFTER_S) -> None:
        self.store = store
        self.definitions = definitions
        self.plan = definitions.plan
        self.clock = clock
        self.publications = Publications(store, stale_after_s)
        self._cache: OrderedDict[Any, Any] = OrderedDict()

    def edition(self) -> Edition:
        """The present state of the store."""
        generation = Generations(self.store).first(self.definitions.digest).number
        positions = Positions(self.store, generation).read_all()
        versions = tuple(position.version for _, position in sorted(positions.items()))
        return Edition(generation, versions, self.publications.state())

    def readings(self, edition: Edition) -> Readings:
        """The reader of an edition."""
        return Readings(self.store, edition.generation, self.definitions)

    def items(self, question: Question, edition: Edition, names: Iterable[str]) -> list[Item]:
        """The indicators in the order of `names`."""
        wanted = tuple(names)
        key = ("items", question, edition, wanted)
        return self.cached(key, lambda: self._items(question, edition, wanted))

    def cached(self, key: Any, make: Callable[[], Answer]) -> Answer:
        """The answer made before for this key, or a new one."""
        missing = object()
        found = self._cache.pop(key, missing)
        answer: Answer = make() if found is missing else found
        self._cache[key] = answer
        while len(self._cache) > CACHED:
            self._cache.popitem(last=False)
        return answer

    def _items(self, question: Question, edition: Edition, names: tuple[str, ...]) -> list[Item]:
        # Dirty first: asked after the snapshot, a publisher in between would pass an old announcement off as the present.
        clean = not self._dirty(edition)
        state, stored = self.publications.snapshot()
        now = today(self.clock)
        if clean and question.is_present(state, now) and all(name in stored for name in names):
            return [self._published(stored[name], question.by, edition) for name in names]
        present = question.on == now and question.known.at_ms is None and question.period is None
        readings = self.readings(edition)
        sources = readings.sources(names, question.known.at_ms)
        return [
            self._computed(readings, question, name, sources[name], stored.get(name) if present else None, edition)
            for name in names
        ]

    def _computed(
        self, readings: Readings, question: Question, name: str, source: Any, stored: Item | None, edition: Edition
    ) -> Item:
        item = readings.item(name, source, question.on, question.period)
        said = stored["item"] if stored else {}
        item |= {
            "known_at": question.known.text,
            "sequence": said.get("sequence"),
            "updated_at": said.get("updated_at"),
            "lag_s": edition.publication.waiting_s,
        }
        if stored is not None:
            item = self.publications.told(edition.publication, item)
        if question.by:
            item["breakdown"] = readings.breakdown(name, source, question.on, question.by, question.known.at_ms)
        return item

    def _published(self, stored: Item, by: str | None, edition: Edition) -> Item:
        item: Item = self.publications.told(edition.publication, stored["item"])
        return item if by is None else item | {"breakdown": stored["breakdowns"].get(by, [])}

    def _dirty(self, edition: Edition) -> bool:
        return self.store.dirty.find_one({"gen": edition.generation}, {"_id": 1}) is not None
