"""`make test`: every check in turn, then one line naming what this machine had to leave out."""

from __future__ import annotations

import argparse
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
BIN = Path(sys.executable).parent
LINT = {
    "ruff": [str(BIN / "ruff"), "check", "."],
    "mypy": [str(BIN / "mypy")],
    "import-linter": [str(BIN / "lint-imports"), "--config", ".importlinter"],
}


class Skips:
    """Notes every test that was skipped, and why."""

    def __init__(self) -> None:
        self.reasons: Counter[str] = Counter()

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.skipped and not hasattr(report, "wasxfail"):
            self._note(report.longrepr)

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        if report.skipped:
            self._note(report.longrepr)

    def _note(self, longrepr: object) -> None:
        reason = str(longrepr[2]) if isinstance(longrepr, tuple) else str(longrepr)
        self.reasons[reason.removeprefix("Skipped: ")] += 1

    def sentence(self) -> str:
        named = [f"{count} test{'s' if count > 1 else ''} ({reason})" for reason, count in self.reasons.items()]
        return "left out: " + ("; ".join(named) or "nothing")


def lint() -> list[str]:
    """The linters that complain."""
    failed = []
    for name, command in LINT.items():
        begun = time.monotonic()
        code = subprocess.run(command, cwd=ROOT, stdin=subprocess.DEVNULL, check=False).returncode
        print(f"{name}: {'ok' if code == 0 else 'FAILED'} ({time.monotonic() - begun:.1f} s)", flush=True)
        failed += [name] if code else []
    return failed


def main() -> int:
    """Run what is asked for; 0 when all of it passed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--all", action="store_true", help="fail if anything is left out")
    parser.add_argument("--only", choices=["lint", "tests"])
    options, rest = parser.parse_known_args()
    skips = Skips()
    failed = lint() if options.only != "tests" else []
    if options.only != "lint" and pytest.main(["--rootdir", str(ROOT), *rest], plugins=[skips]) != pytest.ExitCode.OK:
        failed.append("pytest")
    if failed:
        print(f"failed: {', '.join(failed)}")
    if options.only != "lint":
        print(skips.sentence())
    return 1 if failed or (options.all and skips.reasons) else 0


if __name__ == "__main__":
    sys.exit(main())
