"""The command line: every command explains itself, wrong use ends with 2 and one sentence."""

import subprocess
import sys
from collections.abc import Iterator
from copy import copy
from pathlib import Path

import click
import pytest
import structlog
from click.testing import CliRunner

from deploy.local.cli import main

INDICATOR = {
    "id": "hnte_count", "name": {"zh": "国家高新技术企业", "en": "High-tech enterprises"}, "clause": ["二(一)3"], "unit": "家",
    "value": 38, "state": "ok", "target": {"operator": ">=", "value": 50}, "progress": 0.76, "verdict": "behind",
    "as_of": "2026-06-30",
}


def commands(group: click.Group, path: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    for name, command in group.commands.items():
        if isinstance(command, click.Group):
            yield from commands(command, (*path, name))
        else:
            yield (*path, name)


@pytest.mark.parametrize("words", list(commands(main)), ids=" ".join)
def test_every_command_explains_itself_and_takes_a_folder(words: tuple[str, ...]) -> None:
    answer = CliRunner().invoke(main, [*words, "--help"])
    assert answer.exit_code == 0
    assert "--data DIR" in answer.output
    assert len(answer.output.splitlines()[2].strip()) > 20


def leaf(words: tuple[str, ...]) -> click.Command:
    command: click.Command = main
    for word in words:
        assert isinstance(command, click.Group)
        command = command.commands[word]
    return command


@pytest.mark.parametrize("words", list(commands(main)), ids=" ".join)
def test_what_is_logged_on_the_way_is_no_part_of_the_answer(words: tuple[str, ...], capsys: pytest.CaptureFixture[str]) -> None:
    command = copy(leaf(words))
    command.params, command.callback = [], lambda: structlog.get_logger().warning("a topic has other settings")
    try:
        command.main([], standalone_mode=False)
    finally:
        structlog.reset_defaults()
    said = capsys.readouterr()
    assert said.out == ""
    assert "a topic has other settings" in said.err


def test_help_loads_nothing_heavy() -> None:
    program = (
        "import sys; from deploy.local import cli\ntry: cli.main(['up', '--help'])\nexcept SystemExit: pass\n"
        "print(sorted({'pymongo', 'mongoengine', 'flask', 'httpx', 'rich', 'gevent'} & set(sys.modules)), file=sys.stderr)"
    )
    answer = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert answer.stderr.strip() == "[]"


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["clock", "set", "2026-07-01T00:00:00+08:00"], "only a demo stack"),
        (["log", "append", "kechuang.registry.v1", "-"], "no stack runs on"),
        (["board", "--once"], "no stack runs on"),
        (["reconcile"], "no stack runs on"),
        (["clock", "set", "2026-07-01T00:00:00"], "an instant needs an offset"),
        (["clock", "set", "soon"], "soon"),
        (["up", "--port", "70000"], "70000"),
    ],
)
def test_wrong_use_ends_with_2_and_a_sentence(tmp_path: Path, words: list[str], sentence: str) -> None:
    answer = CliRunner().invoke(main, [*words, "--data", str(tmp_path / "none")], input="")
    assert answer.exit_code == 2
    assert sentence in answer.output
    assert "Traceback" not in answer.output
    assert not (tmp_path / "none").exists()


def test_the_board_says_value_target_and_verdict() -> None:
    from rich.console import Console

    from deploy.local.board import table

    console = Console(width=150, record=True, file=open("/dev/null", "w"))  # noqa: SIM115
    console.print(table([INDICATOR, INDICATOR | {"id": "gone", "value": None, "state": "no_data", "target": None}], 7, "zh"))
    text = console.export_text()
    for part in ("二(一)3", "国家高新技术企业", "hnte_count", "38 家", "≥ 50 家", "76.00 %", "滞后", "无数据", "2026-06-30"):
        assert part in text
