"""What Kafka's client raises, in our terms: an outage is waited for, a wrong setting is not."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from kafka.errors import (
    AuthorizationError,
    KafkaConfigurationError,
    KafkaError,
    MessageSizeTooLargeError,
    RecordListTooLargeError,
    SaslAuthenticationFailedError,
    UnsupportedSaslMechanismError,
)

from shared.errors import ConfigError, TooLarge, Unavailable

REFUSED = (AuthorizationError, SaslAuthenticationFailedError, UnsupportedSaslMechanismError, KafkaConfigurationError)
RETRY_S = 2


@contextmanager
def translated() -> Iterator[None]:
    """Raises Unavailable for an outage, ConfigError for a refusal, TooLarge for a value that the broker does not take."""
    try:
        yield
    except REFUSED as refused:
        raise ConfigError(f"Kafka refuses this client: {type(refused).__name__}") from refused
    except (MessageSizeTooLargeError, RecordListTooLargeError) as large:
        raise TooLarge("a value is larger than the topic takes") from large
    except (KafkaError, OSError) as away:
        raise Unavailable(f"Kafka does not answer ({type(away).__name__})", retry_after_s=RETRY_S) from away
