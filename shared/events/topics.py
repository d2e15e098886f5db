"""The topics of the log. All have the same number of partitions, so that a key lies in the same partition of each."""

from __future__ import annotations

REGISTRY = "kechuang.registry.v1"
INCENTIVES = "kechuang.incentives.v1"
INDICATORS = "kechuang.indicators.v1"
TOPICS = (REGISTRY, INCENTIVES, INDICATORS)
COMPACTED = frozenset({INDICATORS})  # old entries of a key may go; the others are kept for ever: a key is a subject, no record


def topic_of(service: str) -> str:
    """The topic that a service's relay writes to."""
    return f"kechuang.{service}.v1"
