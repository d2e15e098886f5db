"""Configuration of the metrics processes, read once from the environment."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from services.metrics.store.publications import STALE_AFTER_S
from shared.errors import ConfigError

PLAN = str(Path(__file__).resolve().parents[2] / "plans" / "chengqu-2026")


@dataclass(frozen=True)
class MetricsConfig:
    """See `shared.config.read`: a field's name in upper case is its variable."""

    mongo_uri: str
    db_prefix: str = "kechuang"
    plan_dir: str = PLAN
    public_board: bool = False
    stale_after_s: float = STALE_AFTER_S  # a reading whose oldest unread event waits longer says "stale"
    ingest_batch: int = 500  # events in one transaction
    poison_window: int = 1_000  # entries of a topic's partition; when more than the next of them cannot be applied,
    poison_limit: int = 500  # ingest stops there and raises an alarm, rather than draining the topic into dead letters
    changes_kept: int = 20_000  # changes that a reconnecting stream client can be given one by one
    telemetry_port: int = 0  # of ingest and publisher, see `shared.health`; 0 = none
    log_level: str = "info"
    stream_queue: int = 512  # changes that may wait for one stream client before it is cut off
    registry_url: str = ""  # base URL of the event feeds, for rebuild --from stores and reconcile
    incentives_url: str = ""
    public_url: str = ""  # the one port in front of everything; used where the two above are not set
    kechuang_token: str = ""

    @property
    def database(self) -> str:
        """Name of the service's own database."""
        return f"{self.db_prefix}_metrics"

    def feed_urls(self) -> dict[str, str]:
        """Base URL of each service that has an event feed."""
        return {
            "registry": self.registry_url or self.public_url,
            "incentives": self.incentives_url or self.public_url,
        }


@dataclass(frozen=True)
class WebConfig(MetricsConfig):
    """What the web process needs besides: whose tokens it trusts."""

    oidc_issuer: str = ""
    oidc_audience: str = ""
    oidc_jwks_url: str = ""
    actor_key: str = ""
    oidc_claim_roles: str = "roles"
    oidc_claim_town: str = "town"
    oidc_claim_enterprise: str = "enterprise"

    def check(self) -> None:
        """Raise ConfigError naming every address or secret that is not set."""
        missing = [
            name.upper() for name in ("oidc_issuer", "oidc_audience", "oidc_jwks_url", "actor_key") if not getattr(self, name)
        ]
        if missing:
            raise ConfigError("; ".join(f"{name} is not set" for name in missing))
