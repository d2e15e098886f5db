"""Who is calling."""

from __future__ import annotations

import hashlib
import hmac
from dataclasses import dataclass

from shared.auth.roles import Role


@dataclass(frozen=True)
class Principal:
    """A caller: `actor` is opaque (keyed hash of issuer and subject), so that events and audit name no person."""

    actor: str
    roles: frozenset[Role]
    town: str | None = None
    enterprise: str | None = None
    anonymous: bool = False
    granted: frozenset[str] = frozenset()  # enterprises that a reviewer's decision gave the caller besides the token's

    @property
    def enterprises(self) -> frozenset[str]:
        """Every enterprise that the caller acts for."""
        return self.granted | ({self.enterprise} if self.enterprise else frozenset())

    def has(self, *roles: Role) -> bool:
        """Whether the caller holds any of the roles. Who administers the system holds no other (S9), whatever the token says."""
        if Role.SYSADMIN in self.roles:
            return Role.SYSADMIN in roles
        return any(role in self.roles for role in roles)


ANONYMOUS = Principal("", frozenset(), anonymous=True)


def actor_of(key: str, issuer: str, subject: str) -> str:
    """The opaque id of a subject: 32 hex digits."""
    return hmac.new(key.encode(), f"{issuer}|{subject}".encode(), hashlib.sha256).hexdigest()[:32]
