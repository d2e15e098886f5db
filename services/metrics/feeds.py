"""The event feeds of the other services over HTTP: their whole history, oldest first, as the stores have it."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import httpx

from shared.errors import Forbidden, Unauthorized, Unavailable

PAGE = 1_000
TIMEOUT_S = 30.0
TRIES = 5
POLL_S = 0.2


@dataclass
class Feed:
    """`GET /{service}/v1/events` of one service, with a token of role auditor or metrics."""

    service: str
    http: httpx.Client
    pending: int = 0  # changes that were not published yet when the last page was read
    last: str | None = None  # where the last page ended

    def events(self, after: str | None = None) -> Iterator[dict[str, Any]]:
        """Every published event, or those after where an earlier reading ended."""
        while True:
            page = self._page(after, PAGE)
            yield from page["items"]
            self.pending, self.last = int(page.get("pending") or 0), page["last"]
            if not page.get("next"):
                return
            after = str(page["next"])

    def waiting(self) -> int:
        """How many changes of the service are not published yet."""
        return int(self._page(None, 1).get("pending") or 0)

    def _page(self, after: str | None, limit: int) -> dict[str, Any]:
        query = {"limit": str(limit)} | ({"after": after} if after else {})
        reason = ""
        for attempt in range(TRIES):
            try:
                answer = self.http.get(f"/{self.service}/v1/events", params=query)
            except httpx.TransportError as away:
                reason = str(away)
            else:
                if answer.status_code == 200:
                    body: dict[str, Any] = answer.json()
                    return body
                if answer.status_code in (401, 403):
                    refusal = Unauthorized if answer.status_code == 401 else Forbidden
                    raise refusal(f"{self.service}: the feed refuses this token")
                reason = f"HTTP {answer.status_code}"
            time.sleep(POLL_S * (attempt + 1))
        raise Unavailable(f"{self.service}: the feed does not answer ({reason})")


def open_feeds(urls: dict[str, str], token: str) -> list[Feed]:
    """One feed a service; `urls` maps services to base URLs."""
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    return [
        Feed(service, httpx.Client(base_url=url, headers=headers, timeout=TIMEOUT_S, trust_env=False))
        for service, url in urls.items()
    ]


def wait_published(feeds: list[Feed], timeout_s: float, pause: Callable[[float], None] = time.sleep) -> bool:
    """Wait until the relays have published everything; False when that did not happen in time."""
    until = time.monotonic() + timeout_s
    while any(feed.waiting() for feed in feeds):
        if time.monotonic() >= until:
            return False
        pause(POLL_S)
    return True


def value_of(event: dict[str, Any]) -> bytes:
    """An event's bytes, as the log would hold them."""
    return json.dumps(event, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "surrogatepass")
