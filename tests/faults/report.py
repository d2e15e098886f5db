"""docs/faults.md from the rows' results."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from tests.faults.matrix import MATRIX
from tests.faults.rows import RATE

HEAD = """# Every fault, and what was found afterwards

Written by `make faults` from the results of each row; do not edit. {rate:g} writes a second through HTTP are offered during a
fault. Afterwards the acknowledged answers, the change documents, the log, an independent count, `kechuang reconcile` and an
open stream client must agree: a difference of any of them is in the column of that name. Each row ran on a stack of its
own. "Found" is change documents / distinct events on the log (a change has one event for each key it names). What a fault
or a busy machine holds up is sent late, never left out, so "writes/s" may lie below {rate:g}.

| row | fault | injected | log | injections | acknowledged | found | writes/s | retried | refused 503 | differences | load s | all s | result |
|---|---|---|---|---|---|---|---|---|---|---|---|---|---|
"""


def write(results: Path, target: Path) -> None:
    """The report of all results that there are, in the matrix's order."""
    paths = {row.name: results / f"{row.name}.json" for row in MATRIX}
    found = [json.loads(path.read_text("utf-8")) for path in paths.values() if path.exists()]
    text = HEAD.format(rate=RATE) + "".join(map(_line, found))
    if missing := [name for name, path in paths.items() if not path.exists()]:
        text += f"\nNot run: {', '.join(missing)}.\n"
    if notes := "".join(map(_notes, found)):
        text += f"\n## Noted\n\n{notes}"
    target.write_text(text, encoding="utf-8")


def _line(result: dict[str, Any]) -> str:
    cells = [
        result["row"], result["title"], result["injects"], result["log"], result["injections"], result["acknowledged"],
        f"{result['changes']} / {result['events']}", result["rate"], result["retried"], result["refused"], len(result["differences"]),
        result["load_seconds"], result["seconds"], result["result"],
    ]
    return "| " + " | ".join(str(cell) for cell in cells) + " |\n"


def _notes(result: dict[str, Any]) -> str:
    said = [f"{name.replace('_', ' ')}: {value}" for name, value in result["notes"].items()]
    if result["refused"]:
        said.append(f"slowest 503: {result['slowest_refusal_s']} s")
    return f"- row {result['row']}: {'; '.join(said)}\n" if said else ""
