"""Reading and writing JSON bodies: what no store or reader can handle is refused before anything is done with it."""

from __future__ import annotations

import json
import re
from typing import Any

from flask import Response, request

from shared.errors import Fault, Invalid, PreconditionRequired, Unreadable, UnsupportedMedia

DEEPEST = 64
LONGEST_KEY = 200
LARGEST_INT = 2**63 - 1
READABLE = frozenset({"application/json", "application/merge-patch+json"})
UNSTORABLE = re.compile("[\x00\ud800-\udfff]")
ETAG = re.compile(r'^(?:W/)?"(\d{1,15})"$')


def read_json() -> Any:
    """The body. Raises UnsupportedMedia, Unreadable (not JSON, not UTF-8, NaN, too deep) or Invalid (NUL, surrogates, huge)."""
    if request.mimetype not in READABLE:
        raise UnsupportedMedia(f"send application/json, not {request.mimetype or 'nothing'}")
    raw = request.get_data()
    try:
        body = json.loads(raw.decode("utf-8"), parse_constant=no_constant, object_pairs_hook=once_each)
    except UnicodeDecodeError:
        raise Unreadable("the body is not UTF-8") from None
    except (ValueError, RecursionError) as wrong:
        raise Unreadable(f"the body is not JSON: {wrong}"[:200]) from None
    check_storable(body)
    return body


def check_storable(body: Any) -> None:
    """Raises Unreadable (too deep) or Invalid (NUL, lone surrogates, huge numbers), naming every fault."""
    faults: list[Fault] = []
    _inspect(body, "", 0, faults)
    if faults:
        raise Invalid("values that cannot be stored", faults=faults[:100])


def read_object() -> dict[str, Any]:
    """The body, which must be an object."""
    body = read_json()
    if not isinstance(body, dict):
        raise Invalid("the body must be an object", faults=[Fault("", "type", "an object is wanted")])
    return body


def once_each(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """An object. Of two values under one name some readers take the first and some the last: neither is safe."""
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ValueError("a name occurs twice in an object")
    return found


def no_constant(name: str) -> Any:
    """NaN and Infinity are Python's, not JSON's. Raises ValueError."""
    raise ValueError(f"{name} is no JSON number")


def _inspect(value: Any, pointer: str, depth: int, faults: list[Fault]) -> None:
    if depth > DEEPEST:
        raise Unreadable(f"the body is nested deeper than {DEEPEST} levels")
    if isinstance(value, dict):
        for key, item in value.items():
            _text(key, pointer, faults)
            _inspect(item, f"{pointer}/{_token(key)}", depth + 1, faults)
    elif isinstance(value, list):
        for index, item in enumerate(value):
            _inspect(item, f"{pointer}/{index}", depth + 1, faults)
    elif isinstance(value, str):
        _text(value, pointer, faults)
    elif isinstance(value, int | float) and not abs(value) <= LARGEST_INT:
        faults.append(Fault(pointer, "too_large", "the number is too large"))


def _text(text: str, pointer: str, faults: list[Fault]) -> None:
    if UNSTORABLE.search(text):
        faults.append(Fault(pointer, "characters", "NUL and lone surrogates cannot be stored"))


def _token(key: str) -> str:
    """A key as part of a JSON pointer that can be written in an answer."""
    return UNSTORABLE.sub("\ufffd", key).replace("~", "~0").replace("/", "~1")


def json_response(data: Any, status: int = 200, etag: int | None = None) -> Response:
    """A JSON answer; `etag` is the record's version."""
    answer = Response(json.dumps(data, ensure_ascii=False, separators=(",", ":")), status, content_type="application/json")
    if etag is not None:
        answer.headers["ETag"] = f'"{etag}"'
    return answer


def idempotency_key() -> str | None:
    """The request's Idempotency-Key. Raises Invalid for one of no use."""
    key = request.headers.get("Idempotency-Key")
    if key is not None and not 1 <= len(key) <= LONGEST_KEY:
        raise Invalid(f"an Idempotency-Key has 1 to {LONGEST_KEY} characters", faults=[Fault("", "idempotency_key", "长度不符")])
    return key


def if_match() -> int:
    """The version that the caller saw. Raises PreconditionRequired without one, Invalid for one that is no version."""
    header = request.headers.get("If-Match")
    if header is None:
        raise PreconditionRequired('send If-Match with the version you saw, for example "3"')
    found = ETAG.match(header.strip())
    if not found:
        raise Invalid('If-Match must be a quoted version, for example "3"', faults=[Fault("", "if_match", "not a version")])
    return int(found.group(1))
