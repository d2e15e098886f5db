"""Which log this deployment has."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from shared.config import read
from shared.log.consumer import Consumer
from shared.log.embedded import EmbeddedLog
from shared.log.embedded_group import EmbeddedGroup
from shared.log.interface import Log
from shared.mongo import Client


def open_log(environ: Mapping[str, str], client: Client) -> Log:
    """Kafka where `KAFKA_BOOTSTRAP` names it, else the embedded log beside the services' databases (`DB_PREFIX`).

    Nothing is contacted yet. Raises ConfigError for settings that do not fit together.
    """
    if environ.get("KAFKA_BOOTSTRAP"):
        from shared.log.kafka import KafkaLog  # its client costs a process that has the embedded log a second
        from shared.log.kafka_config import KafkaConfig

        return KafkaLog(read(KafkaConfig, environ))
    return _embedded(environ, client)


def open_consumer(environ: Mapping[str, str], client: Client, group: str, topics: Sequence[str]) -> Consumer:
    """A member of a consumer group on the same log."""
    if environ.get("KAFKA_BOOTSTRAP"):
        from shared.log.kafka_config import KafkaConfig
        from shared.log.kafka_group import KafkaGroup

        return KafkaGroup(read(KafkaConfig, environ), group, topics)
    return EmbeddedGroup(_embedded(environ, client), group, topics)


def _embedded(environ: Mapping[str, str], client: Client) -> EmbeddedLog:
    return EmbeddedLog(client, f"{environ.get('DB_PREFIX', 'kechuang')}_log")
