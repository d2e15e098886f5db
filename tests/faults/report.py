"""docs/faults.md from the rows' results."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from tests.faults.matrix import MATRIX
from tests.faults.rows import RATE

HEAD = """# Every fault, and what was found afterwards

Written by `make faults` from the results of each row; do not edit. {rate:g} writes a second through HTTP go on during a
fault. Afterwards the acknowledged answers, the change documents, the log, an independent count, `kechuang reconcile` and an
open stream client must agree: a difference of any of them is in the column of that name. Each row ran on a stack of its
own. "Found" is change documents / distinct events on the log (a change has one event for each key it names).

| row | fault | injected | log | injections | acknowledged | found | retried | refused 503 | differences | load s | all s | result |
|---|---|---|---|---|---|---|---|---|---|---|---|---|
"""


def write(results: Path, target: Path) -> None:
    """The report of all results that there are, in the matrix's order."""
    lines = [_line(json.loads(path.read_text("utf-8"))) for row in MATRIX if (path := results / f"{row.name}.json").exists()]
    notes = [_notes(json.loads(path.read_text("utf-8"))) for row in MATRIX if (path := results / f"{row.name}.json").exists()]
    text = HEAD.format(rate=RATE) + "\n".join(lines) + "\n"
    if any(notes):
        text += "\n## Noted\n\n" + "".join(note for note in notes if note)
    target.write_text(text, encoding="utf-8")


def _line(result: dict[str, Any]) -> str:
    cells = [
        result["row"], result["title"], result["injects"], result["log"], result["injections"], result["acknowledged"],
        f"{result['changes']} / {result['events']}", result["retried"], result["refused"], len(result["differences"]),
        result["load_seconds"], result["seconds"], result["result"],
    ]
    return "| " + " | ".join(str(cell) for cell in cells) + " |"


def _notes(result: dict[str, Any]) -> str:
    said = [f"{name.replace('_', ' ')}: {value}" for name, value in result["notes"].items()]
    if result["refused"]:
        said.append(f"slowest 503: {result['slowest_refusal_s']} s")
    return f"- row {result['row']}: {'; '.join(said)}\n" if said else ""
