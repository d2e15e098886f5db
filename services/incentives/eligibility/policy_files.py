"""Policies as files (`plans/…/policies/*.yaml`): bodies for the API, and every fault with file, line and reason."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from marshmallow import ValidationError

from services.incentives.eligibility.decide import faults_of as expression_faults
from services.incentives.kinds.policy import PolicySchema, shape_faults
from shared.records.image import faults_of

Place = tuple[str, ...]  # keys and indexes from the document's root
INT, BOOL, NULL = (f"tag:yaml.org,2002:{name}" for name in ("int", "bool", "null"))


@dataclass(frozen=True, order=True)
class FileFault:
    """One fault of a policy file; `line` counts from 1."""

    file: str
    line: int
    reason: str

    def __str__(self) -> str:
        return f"{self.file}:{self.line}: {self.reason}"


def read_policies(folder: Path) -> tuple[list[dict[str, Any]], list[FileFault]]:
    """The policies of a folder in the order of code and version, and all faults. No folder: no policies."""
    found: list[tuple[dict[str, Any], str, dict[Place, int]]] = []
    faults: list[FileFault] = []
    for path in sorted(folder.glob("*.yaml")):
        name = f"{folder.name}/{path.name}"
        try:
            node = yaml.compose(path.read_text(encoding="utf-8-sig"), Loader=yaml.SafeLoader)
        except yaml.MarkedYAMLError as wrong:
            faults.append(FileFault(name, wrong.problem_mark.line + 1 if wrong.problem_mark else 1, f"not YAML: {wrong.problem}"))
            continue
        except (yaml.YAMLError, UnicodeDecodeError, RecursionError) as wrong:
            faults.append(FileFault(name, 1, f"cannot be read: {type(wrong).__name__}"))
            continue
        lines: dict[Place, int] = {}
        body = _plain(node, (), lines, name, faults)
        if not isinstance(body, dict):
            faults.append(FileFault(name, 1, "a mapping (key: value) is wanted here"))
            continue
        faults += [FileFault(name, line_of(place, lines), reason) for place, reason in body_faults(body)]
        found.append((body, name, lines))
    faults += _doubles(found)
    bodies = sorted((body for body, _, _ in found), key=lambda body: (str(body.get("policy_code")), str(body.get("version_no")).zfill(4)))
    return bodies, sorted(set(faults))


def body_faults(body: dict[str, Any]) -> Iterator[tuple[Place, str]]:
    """What the API would refuse: where, and why."""
    try:
        image = PolicySchema().load(body)
    except ValidationError as wrong:
        for fault in faults_of(wrong.messages):
            yield tuple(fault.pointer.strip("/").split("/")), fault.message
        return
    for path, reason in expression_faults(image):
        yield tuple(map(str, path)), reason
    for fault in shape_faults(image):
        yield tuple(fault.pointer.strip("/").split("/")), fault.message


def line_of(place: Place, lines: dict[Place, int]) -> int:
    """The line of a place, or of the nearest thing around it that the file has."""
    while place and place not in lines:
        place = place[:-1]
    return lines.get(place, 1)


def _doubles(found: list[tuple[dict[str, Any], str, dict[Place, int]]]) -> Iterator[FileFault]:
    seen: dict[tuple[Any, Any], str] = {}
    for body, name, lines in found:
        version = (str(body.get("policy_code")), str(body.get("version_no")))
        if version in seen:
            yield FileFault(name, line_of(("policy_code",), lines), f"{version[0]} version {version[1]} stands in {seen[version]} already")
        seen.setdefault(version, name)


def _plain(node: yaml.Node | None, place: Place, lines: dict[Place, int], name: str, faults: list[FileFault]) -> Any:
    """A node as JSON has it: numbers and truths as such, everything else (dates too) as the text that stands there."""
    if node is None:
        return None
    lines[place] = node.start_mark.line + 1
    if isinstance(node, yaml.SequenceNode):
        return [_plain(item, (*place, str(n)), lines, name, faults) for n, item in enumerate(node.value)]
    if isinstance(node, yaml.MappingNode):
        body: dict[str, Any] = {}
        for key_node, value_node in node.value:
            key = str(key_node.value)
            if key in body:
                faults.append(FileFault(name, key_node.start_mark.line + 1, f"{key} is given twice"))
            body[key] = _plain(value_node, (*place, key), lines, name, faults)
        return body
    return _scalar(node)


def _scalar(node: yaml.Node) -> Any:
    text = str(node.value)
    if node.tag == NULL:
        return None
    if node.tag == BOOL:
        return text.lower() == "true" if text.lower() in ("true", "false") else text
    if node.tag == INT and text.lstrip("-").isdigit():
        return int(text)
    return text
