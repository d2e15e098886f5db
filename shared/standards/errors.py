"""Why an identifier is wrong, and where."""

from __future__ import annotations

HALF_WIDTH = {wide: wide - 0xFEE0 for wide in range(0xFF01, 0xFF5F)}


class StandardError(ValueError):
    """An identifier that breaks its standard; `position` counts from 1, None when it is the whole."""

    def __init__(self, code: str, message: str, position: int | None = None) -> None:
        super().__init__(message)
        self.code, self.message, self.position = code, message, position


def half_width(text: str) -> str:
    """Trimmed, full-width characters as half-width, upper case: what a tired clerk's keyboard adds is taken away."""
    return text.strip().translate(HALF_WIDTH).upper()
