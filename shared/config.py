"""Configuration: a frozen dataclass per process, read once from the environment by the process's factory.

A field's name in upper case is its variable. A field without a default must be set; all that is missing or
unreadable is named at once.
"""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Mapping
from typing import Any, TypeVar, get_type_hints

from shared.errors import ConfigError

Settings = TypeVar("Settings")
TRUE = frozenset({"1", "true", "yes", "on"})


def read(kind: type[Settings], environ: Mapping[str, str] | None = None) -> Settings:
    """Build `kind` from the environment. Raises ConfigError naming every missing or unreadable variable."""
    source = os.environ if environ is None else environ
    hints = get_type_hints(kind)
    values: dict[str, Any] = {}
    wrong: list[str] = []
    for field in dataclasses.fields(kind):  # type: ignore[arg-type]
        name = field.name.upper()
        text = source.get(name)
        if text is None:
            if field.default is dataclasses.MISSING:
                wrong.append(f"{name} is not set")
            continue
        try:
            values[field.name] = _convert(hints[field.name], text)
        except ValueError:
            wrong.append(f"{name} is not a {getattr(hints[field.name], '__name__', 'value')}")
    if wrong:
        raise ConfigError("; ".join(wrong))
    return kind(**values)


def _convert(hint: Any, text: str) -> Any:
    if hint is bool:
        return text.lower() in TRUE
    if hint in (int, float):
        return hint(text)
    return text
