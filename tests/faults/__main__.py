"""`make faults`: run rows of the matrix one by one; what is green is not run again, and the report is written anew."""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import traceback
from pathlib import Path

from tests.faults.matrix import MATRIX
from tests.faults.report import write
from tests.faults.rows import Result, Row, run
from tests.faults.stand import Stand

ROOT = Path(__file__).resolve().parents[2]
SECONDS_A_KILL = 15.0  # at most, on the slowest machine


def main() -> int:
    """0 when every row that was asked for is green."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", default="", help="names, comma separated; default: all")
    parser.add_argument("--kills", type=int, default=200, help="in the rows that count kills")
    parser.add_argument("--seconds", type=float, default=60.0, help="of load in the other rows")
    parser.add_argument("--log", choices=["kafka", "embedded"], default="kafka")
    parser.add_argument("--results", type=Path, default=ROOT / ".faults", help="folder of the rows' results")
    parser.add_argument("--report", type=Path, default=ROOT / "docs" / "faults.md", help="file that is written from them")
    parser.add_argument("--again", action="store_true", help="also run rows that are green already")
    options = parser.parse_args()
    options.results.mkdir(parents=True, exist_ok=True)
    asked = [name for name in options.rows.split(",") if name]
    unknown = set(asked) - {row.name for row in MATRIX}
    if unknown:
        parser.error(f"no such row: {', '.join(sorted(unknown))}")
    red = 0
    for row in MATRIX:
        path = options.results / f"{row.name}.json"
        if (asked and row.name not in asked) or (_is_green(path) and not options.again):
            continue
        row = row.on(1 if options.log == "kafka" else 0)
        if reason := row.needs():
            print(f"row {row.name}: left out ({reason})", flush=True)
            continue
        red += not _one(row, path, options)
        write(options.results, options.report)
    return 1 if red else 0


def _is_green(path: Path) -> bool:
    return path.exists() and json.loads(path.read_text("utf-8"))["result"] == "green"


def _one(row: Row, path: Path, options: argparse.Namespace) -> bool:
    """Whether it is green. One that cannot be run to its end has no result, and is red; the others are run all the same."""
    path.unlink(missing_ok=True)
    try:
        with tempfile.TemporaryDirectory(prefix="faults-") as folder, Stand(Path(folder), row.setting) as stand:
            longest_s = max(options.seconds, options.kills * SECONDS_A_KILL)
            result = run(row, stand, kills=options.kills, seconds=options.seconds, longest_s=longest_s, folder=Path(folder))
    except Exception:
        traceback.print_exc()
        print(f"row {row.name}: RED, it did not come to its end", flush=True)
        return False
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
