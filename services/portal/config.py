"""What the portal reads from its environment."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class PortalConfig:
    """Addresses and keys. `issuer_dir` holds the embedded issuer's key; without it another issuer is in charge."""

    public_url: str = ""
    metrics_url: str = ""  # where the portal itself asks for figures; the public address by default
    issuer_dir: str = ""
    oidc_issuer: str = "urn:kechuang:local"
    oidc_audience: str = "kechuang"
    oidc_jwks_url: str = ""
    actor_key: str = "portal"
    public_board: bool = False

    @property
    def figures_url(self) -> str:
        """Base URL of the metrics service."""
        return self.metrics_url or self.public_url
