"""The environment of every process of one stack: the only place that turns a folder into configuration."""

from __future__ import annotations

import os
from pathlib import Path

from deploy.local.data_dir import DataDir

ROOT = Path(__file__).resolve().parents[2]
AUDIENCE = "kechuang"
DB_PREFIX = "kechuang"
ISSUER = "urn:kechuang:local"  # not the URL: an actor's id must survive a change of port
PLAN = ROOT / "plans" / "chengqu-2026"


def environment(data: DataDir, url: str, mongo_uri: str, kafka: str | None = None) -> dict[str, str]:
    """What each process of the stack is told; what the caller's own environment says about options stands."""
    port = url.rsplit(":", 1)[1]
    told = {
        "MONGO_URI": mongo_uri,
        "DB_PREFIX": DB_PREFIX,
        "PORT": port,
        "PUBLIC_URL": url,
        "PLAN_DIR": str(PLAN),
        "OIDC_ISSUER": ISSUER,
        "OIDC_AUDIENCE": AUDIENCE,
        "OIDC_JWKS_URL": f"{url}/.well-known/jwks.json",
        "ISSUER_DIR": str(data.path),
        "ACTOR_KEY": data.key("actor"),
        "FIELD_KEY": data.key("field"),
        "FIELD_KEYS_OLD": data.old_key("field"),
        "BLIND_KEY": data.key("blind"),
        "PYTHONUNBUFFERED": "1",
    }
    if data.demo:
        told["DEMO_CLOCK_FILE"] = str(data.clock_file)
        told["SYNTHETIC_IDS"] = "true"  # the demo's persons have numbers that no living person can have
        told["PUBLIC_BOARD"] = os.environ.get("PUBLIC_BOARD", "true")
    if kafka:
        told["KAFKA_BOOTSTRAP"] = kafka
    inherited = {name: value for name, value in os.environ.items() if name not in _OWN}
    return inherited | told


def log_environment(kafka: str | None) -> dict[str, str]:
    """How to reach a running stack's log: its address, and what the caller's environment says about Kafka besides."""
    if not kafka:
        return {}
    return {name: value for name, value in os.environ.items() if name.startswith("KAFKA_")} | {"KAFKA_BOOTSTRAP": kafka}


_OWN = frozenset({"DEMO_CLOCK_FILE", "KAFKA_BOOTSTRAP", "KECHUANG_TOKEN"})
