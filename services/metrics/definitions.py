"""The plan as loaded by this process: compiled rules and a digest that tells when stored rows were made by others."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path
from typing import Any

from services.metrics.engine.rules import Rules, compile_plan
from services.metrics.plan.loader import load_plan
from services.metrics.plan.model import Plan

ENGINE = 1  # raise it when the engine derives other rows from the same plan


@dataclass(frozen=True)
class Definitions:
    """A plan, its compiled rules, and the digest of both."""

    plan: Plan
    rules: Rules
    digest: str

    @classmethod
    def of(cls, plan: Plan) -> Definitions:
        """Compile a plan. Raises RuleError naming indicator, part and reason."""
        return cls(plan, compile_plan(plan), digest_of(plan))

    @classmethod
    def load(cls, directory: str) -> Definitions:
        """Read and compile a plan folder."""
        return cls.of(load_plan(Path(directory)))


def digest_of(plan: Plan) -> str:
    """Equal for equal plans, whatever the process."""
    text = json.dumps([ENGINE, _plain(plan)], sort_keys=True, ensure_ascii=False)
    return blake2b(text.encode("utf-8"), digest_size=12).hexdigest()


def _plain(value: Any) -> Any:
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {field.name: _plain(getattr(value, field.name)) for field in dataclasses.fields(value)}
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, set | frozenset):
        return sorted(str(item) for item in value)
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return value if isinstance(value, int | float | str | bool) or value is None else str(value)
