"""A record's image: as stored, as it leaves the service, and as it is hashed."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from typing import Any

from shared.errors import Fault
from shared.records.kind import Kind
from shared.records.workflow import Image

IN_CHINESE = {  # how marshmallow's messages begin
    "Missing data for required field": "必填", "Field may not be null": "不可为空", "Unknown field": "未知字段",
    "Must be one of": "应为所列之一", "Length must be": "长度不符", "Shorter than": "过短", "Longer than": "过长",
    "Must be greater than": "数值超出范围", "Must be less than": "数值超出范围", "Must be equal to": "数值不符",
    "Not a valid string": "应为文本", "Not a valid integer": "应为整数", "Not a valid number": "应为数字", "Not a valid list": "应为列表",
    "Not a valid mapping": "应为对象", "Not a valid boolean": "应为 true 或 false", "Not a valid email": "邮箱格式不符",
    "Invalid input type": "类型不符",
}
HIDDEN = frozenset({"grams", "hands", "head", "held_by", "keys", "sealed", "touched"})  # never leave the store


def collection_of(kind: Kind) -> str:
    """The kind's collection."""
    return kind.name.replace("-", "_")


def to_store(image: Image) -> Image:
    """An image as stored: its id is the key."""
    return {"_id": image["id"]} | {name: value for name, value in image.items() if name != "id"}


def from_store(stored: Mapping[str, Any]) -> Image:
    """A stored document as an image."""
    return {"id": stored["_id"]} | {name: value for name, value in stored.items() if name != "_id"}


def event_data(kind: Kind, image: Image) -> Image:
    """The after-image that leaves the service: no personal data, no proposal, no reviewer's words, no internals."""
    left_out = HIDDEN | {"proposed_change", "created_by", "returned"} | set(kind.personal)
    return {"id": image["id"], "kind": kind.name} | {n: v for n, v in image.items() if n not in left_out and v is not None}


def digest(entry: Mapping[str, Any]) -> str:
    """SHA-256 over the canonical JSON of a change, access entry or anchor, chained to the one before by `prev_hash`."""
    return _sha256({name: value for name, value in entry.items() if name not in ("hash", "published", "position")})


def record_digest(stored: Mapping[str, Any]) -> str:
    """SHA-256 over a record as stored, hands and proposals included; not over what marks it for a moment, nor over the
    pairs of its name, which follow from it.

    Of sealed fields their names only: they authenticate themselves, and a new key must not look like a new content.
    """
    covered = {name: value for name, value in stored.items() if name not in ("grams", "head", "held_by")}
    if isinstance(covered.get("sealed"), dict):
        covered["sealed"] = sorted(covered["sealed"])
    if isinstance(covered.get("proposed_change"), dict):
        covered["proposed_change"] = {name: value for name, value in covered["proposed_change"].items() if name != "sealed"}
    return _sha256(covered)


def _sha256(value: Any) -> str:
    return hashlib.sha256(json.dumps(value, ensure_ascii=False, sort_keys=True, separators=(",", ":")).encode()).hexdigest()


def faults_of(messages: Any, pointer: str = "") -> Iterable[Fault]:
    """marshmallow's messages as faults with JSON pointers."""
    if isinstance(messages, dict):
        for key, inner in messages.items():
            yield from faults_of(inner, pointer if key == "_schema" else f"{pointer}/{key}")
        return
    for message in messages if isinstance(messages, list) else [messages]:
        text = str(message)
        code = "required" if "required" in text.lower() else "unknown" if text.startswith("Unknown field") else "invalid"
        yield Fault(pointer, code, in_both(text))


def in_both(text: str) -> str:
    """A message of marshmallow's with the same in Chinese before it; ours are in both languages already."""
    chinese = next((zh for begins, zh in IN_CHINESE.items() if text.startswith(begins)), None)
    return f"{chinese} {text}" if chinese else text
