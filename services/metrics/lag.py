"""How long the oldest event that is not folded yet has been waiting, by the machine's clock, partition by partition."""

from __future__ import annotations

from collections.abc import Mapping

from services.metrics.store.positions import Position

Ends = Mapping[str, Mapping[int, int]]  # topic -> partition -> next offset
SAMPLES = 2_000


class LagMeter:
    """Remembers when each end of the log was first seen; the log itself does not say when an entry came.

    What is unfolded at its first look has been waiting for `before_s` already: what a meter before this one had found.
    """

    def __init__(self) -> None:
        self._seen: dict[int, list[tuple[float, dict[str, int]]]] = {}
        self._known: dict[int, float] = {}
        self._at: float | None = None

    def measure(
        self, now_s: float, ends: Ends, positions: Mapping[int, Position], before_s: float = 0.0
    ) -> dict[int, float]:
        """For each partition the seconds since its first unfolded entry was first seen; 0 when everything is folded."""
        places: dict[int, dict[str, int]] = {}
        for topic, partitions in ends.items():
            for partition, end in partitions.items():
                places.setdefault(partition, {})[topic] = end
        for partition, stand in places.items():
            if partition not in self._seen:
                self._seen[partition] = [(now_s - before_s, stand)]
        self._known = {p: self._one(now_s, p, stand, positions.get(p, Position(p))) for p, stand in places.items()}
        self._at = now_s
        return self._known

    def unknown(self, now_s: float, before_s: float = 0.0) -> dict[int, float]:
        """The same while the log does not answer: nobody knows what came since it last did, so that counts as waiting."""
        if self._at is None:
            self._at = now_s
        away = now_s - self._at
        return {partition: lag + away for partition, lag in (self._known or {0: before_s}).items()}

    def _one(self, now_s: float, partition: int, ends: dict[str, int], position: Position) -> float:
        seen = self._seen[partition]
        if seen and any(end < seen[-1][1].get(topic, 0) for topic, end in ends.items()):
            seen[:] = [(seen[0][0], ends)]  # a topic was made anew: its old ends may never be reached
        elif not seen or seen[-1][1] != ends:
            seen.append((now_s, ends))
        if len(seen) > SAMPLES:  # coarser, but never without the first: what waits longest would seem to have come later
            del seen[1:-1:2]
        while seen and _reached(seen[0][1], position):
            del seen[0]
        return now_s - seen[0][0] if seen else 0.0


def folded(ends: Ends, positions: Mapping[int, Position]) -> bool:
    """Whether everything before `ends` has been folded."""
    return all(
        positions.get(partition, Position(partition)).offset(topic) >= end - 1
        for topic, partitions in ends.items()
        for partition, end in partitions.items()
    )


def _reached(ends: Mapping[str, int], position: Position) -> bool:
    return all(position.offset(topic) >= end - 1 for topic, end in ends.items())
