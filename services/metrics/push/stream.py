"""One client's stream: what it missed or a snapshot, then every change, without a gap and without doubles."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass

from services.metrics.push.frames import HEARTBEAT, OPENING, Frame, Item, snapshot
from services.metrics.push.hub import Hub, Subscription
from services.metrics.store.publications import Publications, iterate

HEARTBEAT_S = 10.0  # proxies close a silent connection after 15 s and more
LONGEST_S = 3_600.0  # then the client comes back; the jitter keeps them from coming all at once
LARGEST_SEQUENCE = 2**63 - 1


@dataclass(frozen=True)
class Wish:
    """What a client asked for."""

    indicators: frozenset[str] | None = None
    by: str | None = None
    last: int | None = None

    def wants(self, frame: Frame) -> bool:
        """Whether a change concerns it."""
        return self.indicators is None or frame.indicator in self.indicators


def last_event_id(header: str | None) -> int | None:
    """A sequence from `Last-Event-ID`; anything else counts as none, and gets a snapshot."""
    if header and header.isascii() and header.isdigit() and len(header) < 20 and int(header) <= LARGEST_SEQUENCE:
        return int(header)
    return None


def stream(
    hub: Hub,
    publications: Publications,
    wish: Wish,
    order: tuple[str, ...],
    cut_off: Callable[[], None] | None = None,
) -> Iterator[bytes]:
    """The bytes of a stream. Subscribes before it reads what is stored: nothing falls between."""
    client = hub.subscribe(cut_off)
    try:
        yield OPENING
        sent = yield from _begin(publications, wish, order)
        yield from _follow(client, wish, sent)
    finally:
        hub.unsubscribe(client)


def _begin(publications: Publications, wish: Wish, order: tuple[str, ...]) -> Generator[bytes, None, int]:
    last = wish.last
    if last is not None and resumable(publications, last):
        for change in iterate(publications, last):
            frame = Frame(change)
            last = frame.sequence
            if wish.wants(frame):
                yield frame.written(wish.by)
        return last
    state, stored = publications.snapshot()
    for found in stored.values():
        found["item"] = publications.told(state, found["item"])
    names = [name for name in order if name in stored and (wish.indicators is None or name in wish.indicators)]
    yield snapshot(state.sequence, [_item(stored[name], wish.by) for name in names])
    return state.sequence


def resumable(publications: Publications, last: int) -> bool:
    """Whether every change after `last` is still kept, and says all: a silence is not among them."""
    state = publications.state()
    if last > state.sequence or publications.is_silent(state):
        return False
    oldest = publications.oldest()
    return last == state.sequence or (oldest is not None and oldest <= last + 1)


def _item(stored: Item, by: str | None) -> Item:
    item: Item = stored["item"]
    return item if by is None else item | {"breakdown": stored["breakdowns"].get(by, [])}


def _follow(client: Subscription, wish: Wish, sent: int) -> Iterator[bytes]:
    until = time.monotonic() + LONGEST_S * (0.5 + random.random() / 2)
    spoken = time.monotonic()
    while time.monotonic() < until:
        frames = client.take(max(0.0, spoken + HEARTBEAT_S - time.monotonic()))
        if frames is None:
            return
        body = b"".join(frame.written(wish.by) for frame in frames if frame.sequence > sent and wish.wants(frame))
        if frames:
            sent = max(sent, frames[-1].sequence)
        if body:
            yield body
        elif time.monotonic() - spoken >= HEARTBEAT_S:
            yield HEARTBEAT
        else:
            continue
        spoken = time.monotonic()
