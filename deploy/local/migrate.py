"""`kechuang migrate`: every collection, index and topic that the processes need, made before they start.

Each process makes its own too, so this is never needed; in a cluster it keeps twenty of them from doing it at once, and
a database without the right to make indexes is found out before anything runs.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from pymongo.errors import PyMongoError

from services.incentives.following.projection import Projection
from services.incentives.kinds import KINDS as INCENTIVES_KINDS
from services.metrics.store.collections import Store
from services.registry.kinds import KINDS as REGISTRY_KINDS
from shared.config import read
from shared.errors import Unavailable
from shared.events.topics import TOPICS
from shared.log.open import open_log
from shared.records.service import Settings, records_of
from shared.relay.lease import Lease
from shared.relay.relay import Relay

KINDS = {"registry": REGISTRY_KINDS, "incentives": INCENTIVES_KINDS}


def migrate(environ: Mapping[str, str], say: Callable[[str], None]) -> None:
    """Make all of it; may be done again. Raises ConfigError, or Unavailable when the store or the log is away."""
    database = f"{read(Settings, environ).db_prefix}_metrics"
    try:
        for service, kinds in KINDS.items():
            records, _ = records_of(service, kinds, environ)
            records.ensure_collections()
            log = open_log(environ, records.client)
            lease = Lease(records.database["leases"], f"relay-{service}")
            Relay(service, records.client, records.database.name, log, lease).prepare()
            say(f"{records.database.name}: {len(kinds)} kinds")
        Projection(records.client, records.database).ensure()
        store = Store(records.client, database)
        store.ensure()
        say(f"{database}: collections and indexes")
        for topic in TOPICS:
            say(f"{topic}: {log.partitions(topic)} partitions")
    except PyMongoError as away:
        raise Unavailable(f"the store does not answer: {type(away).__name__}") from away
