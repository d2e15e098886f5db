"""`make faults`: run rows of the matrix one by one; what is finished is not run again, and the report is written anew."""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from pathlib import Path

from tests.faults.matrix import MATRIX
from tests.faults.report import write
from tests.faults.rows import Result, Row, run
from tests.faults.stand import Stand

ROOT = Path(__file__).resolve().parents[2]


def main() -> int:
    """0 when every row that was asked for is green."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", default="", help="names, comma separated; default: all")
    parser.add_argument("--kills", type=int, default=200, help="in the rows that count kills")
    parser.add_argument("--seconds", type=float, default=60.0, help="of load in the other rows")
    parser.add_argument("--log", choices=["kafka", "embedded"], default="kafka")
    parser.add_argument("--results", type=Path, default=ROOT / ".faults", help="folder of the rows' results")
    parser.add_argument("--again", action="store_true", help="also run rows that have a result")
    options = parser.parse_args()
    options.results.mkdir(parents=True, exist_ok=True)
    asked = [name for name in options.rows.split(",") if name]
    unknown = set(asked) - {row.name for row in MATRIX}
    if unknown:
        parser.error(f"no such row: {', '.join(sorted(unknown))}")
    red = 0
    for row in MATRIX:
        path = options.results / f"{row.name}.json"
        if (asked and row.name not in asked) or (path.exists() and not options.again):
            continue
        row = row.on(1 if options.log == "kafka" else 0)
        if reason := row.needs():
            print(f"row {row.name}: left out ({reason})", flush=True)
            continue
        red += not _one(row, path, options)
        write(options.results, ROOT / "docs" / "faults.md")
    return 1 if red else 0


def _one(row: Row, path: Path, options: argparse.Namespace) -> bool:
    with tempfile.TemporaryDirectory(prefix="faults-") as folder, Stand(Path(folder), row.setting) as stand:
        result = run(row, stand, kills=options.kills, seconds=options.seconds, folder=Path(folder))
    path.write_text(json.dumps(result.as_json(), ensure_ascii=False, indent=1), encoding="utf-8")
    _say(result)
    return result.green


def _say(result: Result) -> None:
    print(
        f"row {result.row} ({result.title}): {'green' if result.green else 'RED'}, {result.injections} injections, "
        f"{result.acknowledged} acknowledged, {result.changes} changes, {result.retried} retries, {result.seconds} s", flush=True,
    )
    for difference in result.differences:
        print(f"  {difference}", flush=True)


if __name__ == "__main__":
    sys.exit(main())
