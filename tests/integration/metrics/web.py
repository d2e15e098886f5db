"""The metrics app in a test: real tokens, the test's store and clock."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from flask import Flask
from joserfc.jwk import KeySet
from werkzeug.test import TestResponse

from services.metrics.app import mount
from services.metrics.config import WebConfig
from services.metrics.definitions import Definitions
from services.metrics.store.collections import Store
from services.metrics.web.board import Board
from shared.auth.issuer import Issuer
from shared.auth.verifier import TokenVerifier
from shared.clock import Clock
from shared.web.app import create_app


class Web:
    """An app, its issuer and its hub."""

    def __init__(
        self, store: Store, definitions: Definitions, clock: Clock, directory: Path, public: bool = True, queue: int = 512
    ) -> None:
        self.issuer = Issuer(directory, "urn:test", "kechuang")
        verifier = TokenVerifier("urn:test", "kechuang", "http://127.0.0.1:1/none", "k")
        verifier._keys = KeySet.import_key_set(self.issuer.jwks())
        self.app: Flask = create_app("metrics", "/metrics", verifier=verifier, clock=clock)
        config = WebConfig("mongodb://unused", public_board=public, stream_queue=queue)
        self.hub = mount(self.app, Board(store, definitions, clock), config)
        self.client = self.app.test_client()

    def get(self, path: str, role: str | None = None, **headers: str) -> TestResponse:
        """GET under /metrics/v1."""
        told = dict(headers)
        if role:
            told["Authorization"] = f"Bearer {self.issuer.mint([role], subject='someone')}"
        return self.client.get(f"/metrics/v1{path}", headers=told)

    def json(self, path: str, role: str | None = None, **headers: str) -> Any:
        """The body of a GET that succeeds."""
        answer = self.get(path, role, **headers)
        assert answer.status_code == 200, answer.text
        return answer.json


class Listener:
    """Reads one stream event by event."""

    def __init__(self, web: Web, path: str = "/stream", **headers: str) -> None:
        self.response = web.client.get(f"/metrics/v1{path}", headers=headers, buffered=False)
        assert self.response.status_code == 200, self.response.text
        self._chunks = iter(self.response.response)
        self._rest = ""

    def next(self) -> dict[str, Any]:
        """The next event: {event, id, data}. Blocks until it comes; the test's own time limit ends it."""
        for block in self._blocks():
            fields = dict(line.split(": ", 1) for line in block.split("\n") if ": " in line and not line.startswith(":"))
            if "event" in fields:
                return {"event": fields["event"], "id": int(fields["id"]), "data": json.loads(fields["data"])}
        raise StopIteration

    def close(self) -> None:
        self.response.close()

    def _blocks(self) -> Iterator[str]:
        while True:
            while "\n\n" in self._rest:
                block, self._rest = self._rest.split("\n\n", 1)
                yield block
            chunk = next(self._chunks, None)
            if chunk is None:
                return
            self._rest += chunk.decode() if isinstance(chunk, bytes) else chunk
