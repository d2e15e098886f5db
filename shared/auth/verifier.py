"""Bearer tokens of any OIDC issuer, verified against its JWKS (RFC 7519, RFC 7517)."""

from __future__ import annotations

import base64
import json
import math
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import httpx
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import KeySet

from shared.auth.principal import Principal, actor_of
from shared.auth.roles import Role
from shared.errors import Unauthorized, Unavailable

ALGORITHMS = ["RS256", "ES256", "PS256"]  # never "none", never a shared secret
REFETCH_S = 10  # an unknown key id makes us look again, but not more often than this
LEEWAY_S = 30
KNOWN = {str(role) for role in Role}
UNREADABLE = (JoseError, ValueError, TypeError, KeyError, AttributeError, RecursionError)  # what a hostile token sets off


@dataclass(frozen=True)
class Claims:
    """Which claim carries what; issuers differ. A dotted name looks inside: `realm_access.roles`."""

    roles: str = "roles"
    town: str = "town"
    enterprise: str = "enterprise"


class TokenVerifier:
    """Turns a token into a Principal. The key set is fetched at first use and again for an unknown key id.

    Give `jwks` to verify against a fixed key set without asking anybody.
    """

    def __init__(
        self, issuer: str, audience: str, jwks_url: str, actor_key: str, claims: Claims | None = None,
        jwks: Mapping[str, Any] | None = None,
    ) -> None:
        self.issuer, self.audience, self.jwks_url, self.actor_key = issuer, audience, jwks_url, actor_key
        self.claims = claims or Claims()
        self._fixed = jwks is not None
        self._keys: KeySet | None = KeySet.import_key_set(jwks) if jwks is not None else None  # type: ignore[arg-type]
        self._asked = -math.inf

    def verify(self, token: str) -> Principal:
        """The caller that a token stands for. Raises Unauthorized; Unavailable when the issuer cannot be asked."""
        claims = self._decode(token)
        audience = claims.get("aud")
        audiences = audience if isinstance(audience, list) else [audience]
        if claims.get("iss") != self.issuer or self.audience not in audiences:
            raise Unauthorized("the token is from another issuer or for another audience")
        now = time.time()
        expires, begins = _instant(claims.get("exp")), _instant(claims.get("nbf", 0))
        if expires is None or begins is None or expires + LEEWAY_S < now or begins - LEEWAY_S > now:
            raise Unauthorized("the token has expired or is not valid yet")
        subject = claims.get("sub")
        if not isinstance(subject, str) or not subject:
            raise Unauthorized("the token names no subject")
        return self._principal(subject, claims)

    def _principal(self, subject: str, claims: Mapping[str, Any]) -> Principal:
        given = _claim(claims, self.claims.roles) or []
        names = [name for name in (given if isinstance(given, list) else str(given).split()) if isinstance(name, str)]
        roles = frozenset(Role(name) for name in names if name in KNOWN)
        if Role.SYSADMIN in roles:  # S9: who grants roles holds no business role
            roles = frozenset({Role.SYSADMIN})
        town, enterprise = _claim(claims, self.claims.town), _claim(claims, self.claims.enterprise)
        return Principal(
            actor_of(self.actor_key, self.issuer, subject), roles,
            str(town) if town else None, str(enterprise) if enterprise else None,
        )

    def _decode(self, token: str) -> Mapping[str, Any]:
        keys = self._key_set()
        name = _key_id(token)
        if name is not None and all(key.kid != name for key in keys.keys):
            keys = self._newer(keys)
        for key in keys.keys:
            if name in (None, key.kid):
                try:
                    return jwt.decode(token, key, algorithms=ALGORITHMS).claims
                except UNREADABLE:
                    continue
        raise Unauthorized("the token cannot be verified")

    def _key_set(self) -> KeySet:
        if self._keys is None:
            self._keys = self._fetch()
        return self._keys

    def _newer(self, known: KeySet) -> KeySet:
        """The issuer may have turned its keys over; what is known stays in use if it cannot be asked."""
        if not self._fixed and time.monotonic() - self._asked > REFETCH_S:
            self._keys = self._fetch()
        return self._keys or known

    def _fetch(self) -> KeySet:
        self._asked = time.monotonic()
        try:
            answer = httpx.get(self.jwks_url, timeout=5, trust_env=False)
            answer.raise_for_status()
            return KeySet.import_key_set(answer.json())
        except (httpx.HTTPError, httpx.InvalidURL, *UNREADABLE) as away:
            raise Unavailable("the identity provider's keys cannot be fetched", retry_after_s=2) from away


def _key_id(token: str) -> str | None:
    """The key that the token names, unverified; an issuer with one key may name none."""
    first = token.split(".", 1)[0]
    try:
        found = json.loads(base64.urlsafe_b64decode(first + "=" * (-len(first) % 4))).get("kid")
    except UNREADABLE as wrong:
        raise Unauthorized("the token cannot be verified") from wrong
    return found if found is None else str(found)


def _instant(value: Any) -> float | None:
    number = isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < 2**53  # NaN is not
    return float(value) if number else None


def _claim(claims: Mapping[str, Any], name: str) -> Any:
    if name in claims:
        return claims[name]
    found: Any = claims
    for step in name.split("."):
        found = found.get(step) if isinstance(found, Mapping) else None
    return found
