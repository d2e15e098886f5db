"""Both record services in process, on the real MongoDB, with tokens of a real issuer."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import mongoengine
import pytest
from flask.testing import FlaskClient
from joserfc.jwk import KeySet

from services.incentives import app as incentives
from services.registry import app as registry
from shared.auth.issuer import Issuer
from shared.ids import new_id


class Office:
    """Calls both services as anybody, or those that are given."""

    def __init__(
        self, mongo_uri: str, folder: Path, more: dict[str, str] | None = None, services: Sequence[Any] = (registry, incentives)
    ) -> None:
        self.issuer = Issuer(folder)
        self.environ = {
            "MONGO_URI": mongo_uri, "OIDC_ISSUER": self.issuer.issuer, "OIDC_AUDIENCE": self.issuer.audience,
            "OIDC_JWKS_URL": "http://127.0.0.1:9/none", "ACTOR_KEY": "actor", "FIELD_KEY": "aa" * 32, "BLIND_KEY": "bb" * 32,
            "DB_PREFIX": f"t{new_id().lower()}",
        } | (more or {})
        self.clients: dict[str, FlaskClient] = {}
        for service in services:
            app = service.create_app(self.environ)
            app.extensions["verifier"]._keys = KeySet.import_key_set(self.issuer.jwks())
            self.clients[service.NAME] = app.test_client()

    def call(self, method: str, path: str, body: Any = None, *, by: str = "data_feed", version: int | None = None, **more: Any) -> Any:
        """One request as `role[+role…]` or `role:subject[:town or uscc]`; the Flask response."""
        headers = self.bearer(by) | more.pop("headers", {})
        if version is not None:
            headers["If-Match"] = f'"{version}"'
        if body is not None:
            more["json"] = body
        return self.clients[path.split("/")[1]].open(path, method=method, headers=headers, **more)

    def bearer(self, by: str) -> dict[str, str]:
        """The header of a caller; a scope of nine digits is a town."""
        role, subject, scope = [*by.split(":"), "", ""][:3]
        scoped = {"town" if scope.isdigit() and len(scope) == 9 else "enterprise": scope} if scope else {}
        return {"Authorization": f"Bearer {self.issuer.mint(role.split('+'), subject or role, **scoped)}"} if role else {}

    def make(self, path: str, body: Any, **more: Any) -> Any:
        """POST that must succeed; the record."""
        answer = self.call("POST", path, body, **more)
        assert answer.status_code == 201, answer.text
        return answer.json

    def act(self, path: str, version: int, action: str, *, by: str = "data_feed", expect: int = 200, **body: Any) -> Any:
        """A transition; the record or the problem."""
        answer = self.call("POST", f"{path}/transitions", {"action": action, **body}, by=by, version=version)
        assert answer.status_code == expect, answer.text
        return answer.json


@pytest.fixture(scope="module")
def office(mongo_uri: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Office]:
    """The two services over databases of their own."""
    patch = pytest.MonkeyPatch()
    patch.setenv("SYNTHETIC_IDS", "true")
    mongoengine.disconnect_all()
    yield Office(mongo_uri, Path(tmp_path_factory.mktemp("keys")))
    mongoengine.disconnect_all()
    patch.undo()
