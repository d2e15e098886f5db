"""The log: what every backend promises. `tests/contract/log_contract.py` holds each of them to it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from pymongo.client_session import ClientSession

Item = tuple[str, bytes]  # key, value
BEFORE_FIRST = -1  # the `after_offset` that reads from the beginning


@dataclass(frozen=True, slots=True)
class Entry:
    """One value at its place. Offsets of a topic's partition are 0, 1, 2, …"""

    topic: str
    partition: int
    offset: int
    key: str
    value: bytes


class Fence(Protocol):
    """A writer's proof that nobody has taken its place."""

    name: str

    def check_in(self, session: ClientSession) -> None:
        """Inside a transaction: raise Fenced when another holder has taken over, or does so before the commit."""
        ...

    def check(self) -> None:
        """Outside one: raise Fenced when another holder has taken over."""
        ...


class Log(Protocol):
    """Topics of partitions of entries. Raises Unavailable when the log cannot answer: nothing is half done then."""

    def append(self, topic: str, items: Sequence[Item], fence: Fence | None = None) -> None:
        """Add `items`. All of them are durable when it returns; one key's stay in the order given.

        When it raises, some may have been added all the same: the caller adds all of them again.
        With `fence`, nothing is added by a writer that was replaced before it began (raises Fenced).
        """
        ...

    def read(self, topic: str, partition: int, after_offset: int, limit: int) -> list[Entry]:
        """Up to `limit` entries with offset > `after_offset`, in order, never passing over one still being written."""
        ...

    def partitions(self, topic: str) -> int:
        """How many partitions the topic has."""
        ...

    def identity(self, topic: str) -> str:
        """An id of the topic's own: a topic that was lost and made anew has another one."""
        ...

    def end_offsets(self, topic: str) -> dict[int, int]:
        """For each partition the offset that its next entry will get; 0 while it is empty."""
        ...

    def wait(self, topics: Sequence[str], timeout_s: float) -> None:
        """Return as soon as one of `topics` grows, or has grown since this thread's last wait, or time is up.

        May return for no reason: the caller reads again.
        """
        ...

    def close(self) -> None:
        """End its clients and threads. The log can be used again."""
        ...
