"""How to reach Kafka and what its topics are like: read once from the environment."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from shared.errors import ConfigError
from shared.events.topics import COMPACTED

PROTOCOLS = ("PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL")
MECHANISMS = ("SCRAM-SHA-512", "SCRAM-SHA-256", "PLAIN")
LARGEST_BYTES = 15 << 20  # of one value, as in the embedded log
ENVELOPE_BYTES = 1 << 20  # what a batch adds to the value: key, headers, room to spare


@dataclass(frozen=True)
class KafkaConfig:
    """See `shared.config.read`: a field's name in upper case is its variable."""

    kafka_bootstrap: str  # HOST:PORT, several separated by commas
    kafka_security_protocol: str = "PLAINTEXT"
    kafka_sasl_mechanism: str = "SCRAM-SHA-512"
    kafka_username: str = ""
    kafka_password: str = ""
    kafka_ca_file: str = ""  # PEM; empty: the system's authorities
    kafka_prefix: str = ""  # before the names of topics and groups, where several stacks share a cluster
    kafka_partitions: int = 4  # of a topic that is made; one that exists keeps its own
    kafka_replication: int = 1  # copies of each partition; three in production
    kafka_min_insync: int = 1  # copies that must have an entry before it counts as written; two in production
    kafka_retention_ms: int = -1  # of the service topics: -1 = kept for ever, since a rebuild reads them from the first entry
    kafka_timeout_s: float = 10.0  # after which an answer that does not come is an outage
    kafka_session_s: float = 15.0  # after which a silent member of a consumer group loses its partitions

    def check(self) -> None:
        """Raise ConfigError naming all that does not fit together."""
        wrong = []
        if self.kafka_security_protocol not in PROTOCOLS:
            wrong.append(f"KAFKA_SECURITY_PROTOCOL is none of {', '.join(PROTOCOLS)}")
        if self.kafka_security_protocol.startswith("SASL"):
            if self.kafka_sasl_mechanism not in MECHANISMS:
                wrong.append(f"KAFKA_SASL_MECHANISM is none of {', '.join(MECHANISMS)}")
            wrong += [f"{n.upper()} is not set" for n in ("kafka_username", "kafka_password") if not getattr(self, n)]
        if not 1 <= self.kafka_min_insync <= self.kafka_replication:
            wrong.append("KAFKA_MIN_INSYNC must lie between 1 and KAFKA_REPLICATION")
        if self.kafka_partitions < 1:
            wrong.append("KAFKA_PARTITIONS must be at least 1")
        if self.kafka_timeout_s <= 0 or self.kafka_session_s <= 0:
            wrong.append("KAFKA_TIMEOUT_S and KAFKA_SESSION_S must be more than 0")
        if wrong:
            raise ConfigError("; ".join(wrong))

    @property
    def timeout_ms(self) -> int:
        """The patience with a broker, in milliseconds."""
        return int(self.kafka_timeout_s * 1000)

    def client(self) -> dict[str, Any]:
        """What every client is told: address, security, patience."""
        told: dict[str, Any] = {
            "bootstrap_servers": self.kafka_bootstrap.split(","),
            "security_protocol": self.kafka_security_protocol,
            "request_timeout_ms": self.timeout_ms,
            "bootstrap_timeout_ms": self.timeout_ms,
            "reconnect_backoff_max_ms": 1_000,  # a broker that comes back is used within a second
        }
        if self.kafka_security_protocol.endswith("SSL") and self.kafka_ca_file:
            told["ssl_cafile"] = self.kafka_ca_file
        if self.kafka_security_protocol.startswith("SASL"):
            told |= {
                "sasl_mechanism": self.kafka_sasl_mechanism,
                "sasl_plain_username": self.kafka_username,
                "sasl_plain_password": self.kafka_password,
            }
        return told

    def consumer(self) -> dict[str, Any]:
        """What every consumer is told. The library's defaults, latest and auto commit, would lose entries."""
        return {
            **self.client(),
            "auto_offset_reset": "earliest",
            "enable_auto_commit": False,
            "allow_auto_create_topics": False,
            "isolation_level": "read_committed",
            "metrics_enabled": False,  # telemetry is our own
        }

    def producer(self) -> dict[str, Any]:
        """What every producer is told: written means written by all copies in sync, once, in order."""
        return {
            **self.client(),
            "acks": "all",
            "enable_idempotence": True,
            "allow_auto_create_topics": False,
            "delivery_timeout_ms": self.timeout_ms,
            "request_timeout_ms": max(1, self.timeout_ms // 2),  # the library wants it below the delivery's
            "max_block_ms": self.timeout_ms,
            "max_request_size": LARGEST_BYTES + ENVELOPE_BYTES,
            "batch_size": 256 << 10,
            "metrics_enabled": False,
        }

    def named(self, name: str) -> str:
        """What a topic or group of ours is called in the cluster."""
        return self.kafka_prefix + name

    def topic(self, name: str) -> dict[str, Any]:
        """How a topic is made."""
        kept = {"cleanup.policy": "compact"} if name in COMPACTED else {
            "cleanup.policy": "delete",
            "retention.ms": str(self.kafka_retention_ms),
            "retention.bytes": "-1",
        }
        return {
            "num_partitions": self.kafka_partitions,
            "replication_factor": self.kafka_replication,
            "configs": kept | {
                "min.insync.replicas": str(self.kafka_min_insync),
                "max.message.bytes": str(LARGEST_BYTES + ENVELOPE_BYTES),
            },
        }
