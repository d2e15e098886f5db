"""The OpenAPI 3.1 document of a service, collected from what its routes declare; `reader.py` shows it.

Every route names the answers that can really come; `tests/integration/openapi` calls them all and compares.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from apispec import APISpec
from apispec.ext.marshmallow import MarshmallowPlugin
from flask import Flask
from marshmallow import Schema, fields

JsonSchema = Mapping[str, Any]
JSON = "application/json"
PROBLEM_MEDIA = "application/problem+json"
PROBLEM = {
    "type": "object", "required": ["type", "title", "status", "code", "detail", "errors"],
    "properties": {
        "type": {"type": "string"}, "title": {"type": "string"}, "status": {"type": "integer"}, "code": {"type": "string"},
        "detail": {"type": "string"},
        "errors": {"type": "array", "items": {
            "type": "object", "required": ["pointer", "code", "message"],
            "properties": {name: {"type": "string"} for name in ("pointer", "code", "message")},
        }},
    },
}
WHY = {
    400: "the request cannot be read", 401: "no valid token", 403: "not for this role, or not by the same hand",
    404: "no such record for this caller", 409: "the state does not allow it, or the identity is taken", 412: "the version has moved",
    413: "too large", 415: "not a media type that is read", 422: "readable but wrong: `errors` names every fault",
    428: "If-Match is missing", 429: "too many of this kind in an hour", 503: "the store is away: nothing was changed",
}
# What can go wrong, by what a route does. A public route leaves out 401 and 403.
ASKS = (401, 403, 503)  # reads what is there
FINDS = (*ASKS, 404)  # reads one record
SENDS = (*ASKS, 400, 413, 415, 422)  # reads a body
CREATES = (*SENDS, 409)
CHANGES = (*CREATES, 404, 412, 428)  # a version of a record, by If-Match
INTEGER, TEXT = {"type": "integer"}, {"type": "string"}
FLAG = {"type": "boolean"}
BYTES: dict[str, Any] = {"description": "the content of a file"}
INSTANT = {"type": "string", "format": "date-time"}
DAY = {"type": "string", "format": "date"}
VERSION = {"ETag": {"description": "the quoted version", "required": True, "schema": {"type": "string", "pattern": '^"[0-9]+"$'}}}
PLACE = {"Location": {"description": "the new record", "required": True, "schema": TEXT}}
RETRY = {"Retry-After": {"description": "seconds", "required": True, "schema": {"type": "integer", "minimum": 1}}}
IF_MATCH = {
    "name": "If-Match", "in": "header", "required": True, "description": 'the version that was seen, for example "3"',
    "schema": {"type": "string", "pattern": '^(W/)?"[0-9]{1,15}"$'},
}
IDEMPOTENCY_KEY = {
    "name": "Idempotency-Key", "in": "header", "description": "the same key and body: the same answer",
    "schema": {"type": "string", "minLength": 1, "maxLength": 200},
}


def obj(properties: JsonSchema, required: Sequence[str] | None = None, **more: Any) -> dict[str, Any]:
    """An object's schema; all its properties are required unless some are named."""
    return {"type": "object", "required": sorted(properties if required is None else required), "properties": dict(properties), **more}


def items_of(item: JsonSchema, next_: JsonSchema | None = None, **beside: Any) -> dict[str, Any]:
    """A list's schema: `items`, `next` (null where a list has one page only), and what stands beside them."""
    return obj({"items": {"type": "array", "items": item}, "next": next_ or {"type": "null"}, **beside})


def maybe(schema: JsonSchema) -> dict[str, Any]:
    """The schema, or null."""
    kinds = schema.get("type")
    if kinds is None or "null" in kinds:
        return dict(schema) if kinds or not schema else {"anyOf": [dict(schema), {"type": "null"}]}
    listed = {"enum": [*schema["enum"], None]} if "enum" in schema else {}
    return {**schema, **listed, "type": [*([kinds] if isinstance(kinds, str) else kinds), "null"]}


def one_of(*values: str) -> dict[str, Any]:
    """A text that is one of these."""
    return {"type": "string", "enum": list(values)}


def in_query(name: str, schema: JsonSchema, description: str = "") -> dict[str, Any]:
    """A query parameter."""
    return {"name": name, "in": "query", "schema": dict(schema), **({"description": description} if description else {})}


def in_path(rule: str) -> list[dict[str, Any]]:
    """The path parameters of a route as Flask writes it."""
    return [
        {"name": name, "in": "path", "required": True, "schema": {"type": "string", "minLength": 1}} for name in re.findall(r"<(\w+)>", rule)
    ]


def path_of(rule: str) -> str:
    """A route as OpenAPI writes it."""
    return re.sub(r"<(\w+)>", r"{\1}", rule)


CODE_LISTS = {"type": "object", "additionalProperties": {"type": "array", "items": obj({"code": TEXT, "zh": TEXT, "en": TEXT})}}


class Operations:
    """What an app's routes say of themselves."""

    def __init__(self, title: str) -> None:
        self._marshmallow = MarshmallowPlugin()
        self.spec = APISpec(
            title=title, version="1", openapi_version="3.1.0", plugins=[self._marshmallow],
            info={"description": "科创 Kechuang"},
        )
        self._converter.add_attribute_function(_stated)
        self.component("Problem", PROBLEM)
        self.spec.components.security_scheme("bearer", {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"})

    @property
    def _converter(self) -> Any:
        return self._marshmallow.converter

    def component(self, name: str, schema: JsonSchema) -> dict[str, Any]:
        """A named schema, described once; the reference to it."""
        if name not in self.spec.components.schemas:
            self.spec.components.schema(name, dict(schema))
        return {"$ref": f"#/components/schemas/{name}"}

    def properties(self, schema: Schema) -> dict[str, dict[str, Any]]:
        """The JSON schemas of a marshmallow schema's fields, by the names that bodies use."""
        return {
            field.data_key or name: dict(self._converter.field2property(field)) for name, field in schema.fields.items()
        }

    def add(
        self, path: str, method: str, summary: str, *, answer: JsonSchema | None = None, answers: Iterable[str] = (JSON,),
        status: int = 200, body: JsonSchema | None = None, bodies: Mapping[str, JsonSchema] | None = None, parameters: Sequence[JsonSchema] = (),
        headers: JsonSchema | None = None, refusals: Sequence[int] = FINDS, tag: str = "", public: bool = False,
    ) -> None:
        """Describe one operation: its body (`bodies` by media type), its `answer` (`answers`: media types), how it may be refused."""
        refused = sorted({*refusals} - ({401, 403} if public else set()))
        content = bodies or ({JSON: body} if body is not None else {})
        given = {media: {"schema": dict(answer) if answer is not None else BYTES} for media in answers}
        operation: dict[str, Any] = {
            "summary": summary, "tags": [tag] if tag else [], "parameters": [dict(each) for each in parameters],
            "security": [] if public else [{"bearer": []}],
            "responses": {
                str(status): {"description": "OK", "content": given} | ({"headers": headers} if headers else {}),
                **{str(code): _problem(code) for code in refused},
            },
        }
        if content:
            operation["requestBody"] = {"required": True, "content": {name: {"schema": dict(each)} for name, each in content.items()}}
        self.spec.path(path=path, operations={method.lower(): operation})

    def document(self) -> dict[str, Any]:
        """The whole document."""
        found: dict[str, Any] = self.spec.to_dict()
        return found


def _problem(code: int) -> dict[str, Any]:
    said: dict[str, Any] = {"description": WHY[code], "content": {PROBLEM_MEDIA: {"schema": {"$ref": "#/components/schemas/Problem"}}}}
    return said | ({"headers": RETRY} if code in (429, 503) else {})


def _stated(self: Any, field: fields.Field[Any], **_: Any) -> dict[str, Any]:
    """What a field says of itself beyond what its validators tell."""
    return dict(getattr(field, "json_schema", {}))


def operations_of(app: Flask) -> Operations:
    """The app's description of itself."""
    found: Operations = app.extensions["operations"]
    return found


def document(app: Flask, path: str, method: str, summary: str, **more: Any) -> None:
    """Describe an operation of an app (see Operations.add)."""
    operations_of(app).add(path, method, summary, **more)
