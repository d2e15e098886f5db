"""What import-linter cannot say: the engine knows the standard library, itself, the plan's model and the errors only."""

import ast
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
ENGINE = sorted((ROOT / "services/metrics/engine").glob("*.py"))
ALLOWED = ("services.metrics.engine", "services.metrics.plan.model", "shared.errors")


def imported(path: Path) -> set[str]:
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            names.add(f"{'.' * node.level}{node.module or ''}")
    return names


@pytest.mark.parametrize("path", ENGINE, ids=lambda path: path.name)
def test_the_engine_is_pure(path: Path) -> None:
    foreign = {
        name for name in imported(path) if name.split(".")[0] not in sys.stdlib_module_names and not name.startswith(ALLOWED)
    }
    assert not foreign
