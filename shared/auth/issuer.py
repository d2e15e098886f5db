"""The embedded issuer: one signing key in the stack's folder, for a district office without an identity provider."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from joserfc import jwt
from joserfc.jwk import ECKey

DAY_S = 86_400


class Issuer:
    """Mints tokens with the key in DIR/keys/issuer.json, made at first use (readable by its owner only)."""

    def __init__(self, directory: Path, issuer: str = "urn:kechuang:local", audience: str = "kechuang") -> None:
        self.issuer, self.audience = issuer, audience
        self.path = directory / "keys" / "issuer.json"
        self._key = self._load()

    def _load(self) -> ECKey:
        if not self.path.exists():
            self.path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            key = ECKey.generate_key("P-256", {"use": "sig", "alg": "ES256"}, private=True, auto_kid=True)
            draft = self.path.with_suffix(f".{os.getpid()}")
            with open(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
                json.dump(key.as_dict(private=True), file)
            try:
                os.link(draft, self.path)  # the first of two makers wins
            except FileExistsError:
                pass
            finally:
                draft.unlink()
        return ECKey.import_key(json.loads(self.path.read_text()))

    def jwks(self) -> dict[str, Any]:
        """The public key set."""
        return {"keys": [self._key.as_dict(private=False)]}

    def mint(
        self, roles: Sequence[str], subject: str, town: str | None = None, enterprise: str | None = None, lifetime_s: int = DAY_S
    ) -> str:
        """A signed bearer token."""
        now = int(time.time())
        claims: dict[str, Any] = {
            "iss": self.issuer, "aud": self.audience, "sub": subject, "iat": now, "exp": now + lifetime_s, "roles": list(roles),
        }
        claims |= {name: value for name, value in (("town", town), ("enterprise", enterprise)) if value}
        return jwt.encode({"alg": "ES256", "kid": self._key.kid}, claims, self._key)
