"""The OpenAPI 3.1 document of a service, collected from what its routes declare; `reader.py` shows it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from apispec import APISpec
from apispec.ext.marshmallow import MarshmallowPlugin
from flask import Flask
from marshmallow import Schema

PROBLEM = {
    "type": "object", "required": ["type", "title", "status", "code", "errors"],
    "properties": {
        "type": {"type": "string"}, "title": {"type": "string"}, "status": {"type": "integer"}, "code": {"type": "string"},
        "detail": {"type": "string"},
        "errors": {"type": "array", "items": {
            "type": "object", "properties": {name: {"type": "string"} for name in ("pointer", "code", "message")},
        }},
    },
}
REFUSALS = (400, 401, 403, 404, 409, 412, 413, 415, 422, 428, 429, 503)


class Operations:
    """What an app's routes say of themselves."""

    def __init__(self, title: str) -> None:
        self.spec = APISpec(
            title=title, version="1", openapi_version="3.1.0", plugins=[MarshmallowPlugin()],
            info={"description": "科创 Kechuang"},
        )
        self.spec.components.schema("Problem", PROBLEM)
        self.spec.components.security_scheme("bearer", {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"})

    def add(
        self, path: str, method: str, summary: str, *, request_schema: Schema | None = None, response: Mapping[str, Any] | None = None,
        status: int = 200, parameters: Sequence[Mapping[str, Any]] = (), tag: str = "", refusals: Sequence[int] = REFUSALS,
    ) -> None:
        """Describe one operation; `response` is a JSON schema."""
        problem = {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}}
        operation: dict[str, Any] = {
            "summary": summary, "tags": [tag] if tag else [], "parameters": list(parameters), "security": [{"bearer": []}],
            "responses": {
                str(status): {"description": "OK", "content": {"application/json": {"schema": dict(response or {})}}},
                **{str(code): {"description": "problem", "content": problem} for code in refusals},
            },
        }
        if request_schema is not None:
            operation["requestBody"] = {"required": True, "content": {"application/json": {"schema": request_schema}}}
        self.spec.path(path=path, operations={method: operation})

    def document(self) -> dict[str, Any]:
        """The whole document."""
        found: dict[str, Any] = self.spec.to_dict()
        return found


def document(app: Flask, path: str, method: str, summary: str, **more: Any) -> None:
    """Describe an operation of an app (see Operations.add)."""
    operations: Operations = app.extensions["operations"]
    operations.add(path, method, summary, **more)
