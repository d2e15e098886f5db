"""`kechuang policies trial` and `kechuang replay`: who gains if, and whether a decision repeats itself."""

from __future__ import annotations

import json
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import click

from deploy.local.client import Api, Refused, explain
from deploy.local.data_dir import DataDir

READERS = ["plan_officer", "auditor"]


def trial(data: DataDir, url: str | None, token: str | None, policy_id: str, winners: Path | None) -> None:
    """Follow a trial to its end: progress as it goes, then cost and winners. Raises Refused."""
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

    api = Api(data, url, token, READERS)
    with ExitStack() as open_:
        answer = open_.enter_context(api.http.stream("POST", f"/incentives/v1/policies/{policy_id}/trial"))
        if not answer.is_success:
            answer.read()
            raise Refused(explain(answer))
        file = open_.enter_context(winners.open("w", encoding="utf-8")) if winners else None
        bars = open_.enter_context(Progress(TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn()))
        task = bars.add_task("trial", total=None)
        summary: dict[str, Any] | None = None
        for text in answer.iter_lines():
            line = json.loads(text)
            if "progress" in line:
                bars.update(task, completed=line["progress"], total=line["of"])
            elif "summary" in line:
                summary = line["summary"]
            elif file:
                file.write(text + "\n")
    if summary is None:
        raise Refused("the trial broke off before its end")
    _print(summary)


def _print(summary: dict[str, Any]) -> None:
    click.echo(f"{summary['subjects']} tried, {summary['winners']} eligible, cost {yuan(summary['cost_fen'])} 元 "
               f"({signed(summary['difference_fen'])} against the version in force)")
    click.echo(", ".join(f"{count} {name}" for name, count in summary["changes"].items()))
    for title, counts in (("by item", summary["by_item"]), ("not met", summary["not_met"])):
        click.echo(f"{title}: " + (", ".join(f"{name} {count}" for name, count in counts.items()) or "-"))
    for town, fen in summary["cost_by_town_fen"].items():
        click.echo(f"{town}: {yuan(fen)} 元")


def yuan(fen: int) -> str:
    """Fen as yuan, exact."""
    return f"{fen // 100:,}.{fen % 100:02d}"


def signed(fen: int) -> str:
    """A difference in yuan, with its sign."""
    return ("-" if fen < 0 else "+") + yuan(abs(fen))


def replay(data: DataDir, url: str | None, token: str | None, kind: str, record_id: str) -> int:
    """Print the stored, the repeated and today's amount; 1 when the repetition differs."""
    found = Api(data, url, token, READERS).call("GET", f"/incentives/v1/{kind}/{record_id}/decision").json()
    _line("stored", found["stored"])
    _line("replayed", found["replayed"])
    if found["what_if"]:
        _line("today's rules", found["what_if"]["decision"], f", difference {signed(found['what_if']['difference_fen'])} 元")
    click.echo("the same" if found["same"] else "THE REPETITION DIFFERS")
    return 0 if found["same"] else 1


def _line(name: str, decision: dict[str, Any], tail: str = "") -> None:
    amount = "-" if decision["amount_fen"] is None else f"{yuan(decision['amount_fen'])} 元"
    click.echo(f"{name}: {decision['policy_code']} version {decision['version_no']}, {decision['outcome']}, {amount}{tail}")
