"""A plan's files with the place of everything in them, so that each fault can be named by file and line."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import TypeVar

import yaml

T = TypeVar("T")
LANGUAGES = ("zh", "en")
NULL = "tag:yaml.org,2002:null"


@dataclass(frozen=True, order=True)
class PlanFault:
    """One fault of a plan folder; `line` counts from 1."""

    file: str
    line: int
    reason: str

    def __str__(self) -> str:
        return f"{self.file}:{self.line}: {self.reason}"


class Spot:
    """A YAML node and its place. Readers note a fault and return a stand-in, so that all faults are found at once."""

    def __init__(self, file: str, node: yaml.Node, faults: list[PlanFault]) -> None:
        self.file, self.node, self.faults = file, node, faults

    @property
    def line(self) -> int:
        """Line of the node's first character."""
        return int(self.node.start_mark.line) + 1

    def fault(self, reason: str) -> None:
        """Note a fault here."""
        self.faults.append(PlanFault(self.file, self.line, reason))

    @property
    def empty(self) -> bool:
        """Whether the node is `null` or was not given at all."""
        return isinstance(self.node, yaml.ScalarNode) and self.node.tag == NULL

    def entries(self) -> dict[str, Spot]:
        """A mapping's values by key; double keys are faults."""
        if not isinstance(self.node, yaml.MappingNode):
            self.fault("a mapping (key: value) is wanted here")
            return {}
        found: dict[str, Spot] = {}
        for key_node, value_node in self.node.value:
            key = Spot(self.file, key_node, self.faults)
            name = key.text()
            if name in found:
                key.fault(f"{name} is given twice")
            found[name] = Spot(self.file, value_node, self.faults)
        return found

    def fields(self, required: Iterable[str], optional: Iterable[str] = ()) -> dict[str, Spot]:
        """A mapping with known keys only, unknown and missing ones are faults.

        Every known key is in the answer; what is not given reads as its type's stand-in, without a second fault.
        """
        wanted = list(required)
        absent = {name: Spot(self.file, _null_at(self.node), []) for name in (*wanted, *optional)}
        found = self.entries()
        for name in [name for name in found if name not in absent]:
            found.pop(name).fault(f"unknown field {name}")
        given = {name: spot for name, spot in found.items() if not spot.empty}
        if isinstance(self.node, yaml.MappingNode):
            for name in wanted:
                if name not in given:
                    self.fault(f"field {name} is missing")
        return absent | given

    def quietly(self) -> Spot:
        """The same place, its faults not noted."""
        return Spot(self.file, self.node, [])

    def items(self) -> list[Spot]:
        """A list's items."""
        if not isinstance(self.node, yaml.SequenceNode):
            self.fault("a list is wanted here")
            return []
        return [Spot(self.file, node, self.faults) for node in self.node.value]

    @property
    def is_mapping(self) -> bool:
        """Whether the node is a mapping."""
        return isinstance(self.node, yaml.MappingNode)

    @property
    def is_list(self) -> bool:
        """Whether the node is a list."""
        return isinstance(self.node, yaml.SequenceNode)

    def text(self) -> str:
        """A non-empty text."""
        if not isinstance(self.node, yaml.ScalarNode) or self.empty or not str(self.node.value).strip():
            self.fault("a text is wanted here")
            return ""
        return str(self.node.value).strip()

    def texts(self) -> tuple[str, ...]:
        """A list of texts without repetition."""
        found: list[str] = []
        for item in self.items():
            text = item.text()
            if text in found:
                item.fault(f"{text} is listed twice")
            found.append(text)
        return tuple(found)

    def some_of(self, known: Iterable[str], what: str) -> tuple[str, ...]:
        """A list of known words."""
        words = set(known)
        for item in self.quietly().items():
            text = item.text()
            if text and text not in words:
                Spot(item.file, item.node, self.faults).fault(f"unknown {what} {text}")
        return self.texts()

    def one_of(self, known: Sequence[str], what: str) -> str:
        """One of a few words."""
        text = self.text()
        if text and text not in known:
            self.fault(f"{text} is no {what}; known: {', '.join(known)}")
        return text

    def names(self) -> dict[str, str]:
        """A name in every language of the product."""
        found = self.fields(LANGUAGES)
        return {language: spot.text() for language, spot in found.items()}

    def _read(self, read: Callable[[str], T], stand_in: T, what: str) -> T:
        text = self.text()
        try:
            return read(text) if text else stand_in
        except (ValueError, InvalidOperation):
            self.fault(f"{text} is not {what}")
            return stand_in

    def day(self) -> date:
        """A day, YYYY-MM-DD."""
        return self._read(_day, date.min, "a day (YYYY-MM-DD)")

    def number(self) -> Decimal:
        """An exact finite decimal number."""
        return self._read(_finite, Decimal(0), "a number")

    def whole(self, low: int) -> int:
        """A whole number from `low` on."""
        found = self._read(_whole, low, "a whole number")
        if found < low:
            self.fault(f"{found} is less than {low}")
        return found

    def flag(self) -> bool:
        """True or false."""
        return self.one_of(("true", "false"), "truth value") == "true"


def _null_at(node: yaml.Node) -> yaml.Node:
    return yaml.ScalarNode(NULL, "null", node.start_mark, node.end_mark)


def _day(text: str) -> date:
    found = date.fromisoformat(text)
    if found.isoformat() != text:
        raise ValueError(text)
    return found


def _whole(text: str) -> int:
    if not text.removeprefix("-").isascii() or not text.removeprefix("-").isdigit():
        raise ValueError(text)
    return int(text)


def _finite(text: str) -> Decimal:
    number = Decimal(text)
    if not number.is_finite():
        raise ValueError(text)
    return number


def read_text(directory: Path, file: str, faults: list[PlanFault]) -> str | None:
    """A file's text; a missing or unreadable one is a fault."""
    try:
        return (directory / file).read_text(encoding="utf-8-sig")
    except OSError as wrong:
        faults.append(PlanFault(file, 1, f"cannot be opened: {wrong.strerror}"))
    except UnicodeDecodeError as wrong:
        faults.append(PlanFault(file, 1, f"is not UTF-8 (byte {wrong.start})"))
    return None


def read_yaml(directory: Path, file: str, faults: list[PlanFault]) -> Spot | None:
    """The root of a YAML file."""
    text = read_text(directory, file, faults)
    if text is None:
        return None
    try:
        node = yaml.compose(text, Loader=yaml.SafeLoader)
    except yaml.MarkedYAMLError as wrong:
        line = wrong.problem_mark.line + 1 if wrong.problem_mark else 1
        faults.append(PlanFault(file, line, f"not YAML: {wrong.problem}"))
        return None
    except (yaml.YAMLError, RecursionError) as wrong:
        faults.append(PlanFault(file, 1, f"not YAML: {wrong}"))
        return None
    if node is None:
        faults.append(PlanFault(file, 1, "the file is empty"))
        return None
    return Spot(file, node, faults)


def read_csv(directory: Path, file: str, columns: Sequence[str], faults: list[PlanFault]) -> list[tuple[int, dict[str, str]]]:
    """Rows with their line numbers; the header must be exactly `columns`, no cell may be empty."""
    text = read_text(directory, file, faults)
    if text is None:
        return []
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    found: list[tuple[int, dict[str, str]]] = []
    try:
        header = next(reader, [])
        if header != list(columns):
            faults.append(PlanFault(file, 1, f"the header must be {','.join(columns)}"))
            return []
        for row in reader:
            line = reader.line_num
            if not row:
                continue
            if len(row) != len(columns) or not all(cell.strip() for cell in row):
                faults.append(PlanFault(file, line, f"{len(columns)} filled cells are wanted"))
                continue
            found.append((line, {name: cell.strip() for name, cell in zip(columns, row, strict=True)}))
    except csv.Error as wrong:
        faults.append(PlanFault(file, reader.line_num, f"not CSV: {wrong}"))
    return found
