"""Generated identifiers: ULIDs, which sort by the machine time of their making."""

from __future__ import annotations

from ulid import ULID


def new_id() -> str:
    """A new 26-character identifier."""
    return str(ULID())
