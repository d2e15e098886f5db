"""Process entry of a relay."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass

from shared.config import read
from shared.health import database_answers, serve_health
from shared.log.open import open_log
from shared.mongo import connect, end_what_died
from shared.process import stopped_by_signal
from shared.relay.lease import Lease
from shared.relay.relay import Relay
from shared.telemetry import configure_logging


@dataclass(frozen=True)
class RelayConfig:
    """See `shared.config.read`: a field's name in upper case is its variable."""

    mongo_uri: str
    db_prefix: str = "kechuang"
    relay_batch: int = 1_000  # changes in one transaction
    relay_lease_s: float = 5.0  # how long another machine waits for a relay that went silent
    telemetry_port: int = 0  # of `shared.health`; 0 = none


def run(service: str, environ: Mapping[str, str] | None = None) -> int:
    """Publish the changes of `service` until SIGTERM. Raises ConfigError naming every variable that is wrong."""
    source = os.environ if environ is None else environ
    config = read(RelayConfig, source)
    configure_logging(f"relay-{service}", source.get("LOG_LEVEL", "info"))
    stop = stopped_by_signal()
    database = f"{config.db_prefix}_{service}"
    client = connect(config.mongo_uri, database)
    end_what_died(client)
    serve_health(config.telemetry_port, [database_answers(client)])
    lease = Lease(client[database]["leases"], f"relay-{service}", ttl_s=config.relay_lease_s)
    Relay(service, client, database, open_log(source, client), lease, batch=config.relay_batch).run(stop)
    client.close()
    return 0
