"""A small service with the ways to go wrong that a real one has."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

import pytest
from bson import encode
from flask import Flask, Response, request
from flask.testing import FlaskClient
from pymongo.errors import AutoReconnect, DocumentTooLarge, OperationFailure

from shared.auth.issuer import Issuer
from shared.auth.roles import Role
from shared.auth.verifier import TokenVerifier
from shared.auth.web import access, current_principal, public
from shared.clock import SHANGHAI, FixedClock
from shared.errors import Fault, Invalid, NotFound
from shared.web.app import create_app
from shared.web.json import if_match, json_response, read_json
from shared.web.openapi import document

CLOCK = FixedClock(datetime(2026, 6, 30, 9, tzinfo=SHANGHAI))


def raises(error: BaseException) -> None:
    raise error


WRONG = {
    "recursion": RecursionError("deep"), "overflow": OverflowError("date"), "away": AutoReconnect("secret-host:27017"),
    "document": DocumentTooLarge("17 MB"), "bug": KeyError("a secret of ours"), "faults": Invalid("both", faults=[
        Fault("/a", "missing", "a is missing"), Fault("/b", "type", "b is no number")]),
    "surrogate": NotFound("no \ud800"), "transient": OperationFailure("x", 112, {"errorLabels": ["TransientTransactionError"]}),
}


@pytest.fixture
def issuer(tmp_path: Path) -> Issuer:
    return Issuer(tmp_path, "urn:test", "kechuang")


@pytest.fixture
def app(issuer: Issuer) -> Flask:
    made = create_app("registry", "/registry", clock=CLOCK,
                      verifier=TokenVerifier("urn:test", "kechuang", "", "secret", jwks=issuer.jwks()))

    @made.post("/registry/v1/things")
    @public
    def store() -> Response:
        body = read_json()
        encode({"body": body})  # what MongoDB would do with it
        return json_response(body, 201, etag=1)

    @made.patch("/registry/v1/things/<name>")
    @public
    def change(name: str) -> Response:
        return json_response({"id": name, "seen": if_match()})

    @made.get("/registry/v1/wrong/<name>")
    @public
    def wrong(name: str) -> Response:
        raise WRONG[name]

    @made.get("/registry/v1/staff")
    @access(Role.AUDITOR, Role.BUREAU_REVIEWER)
    def staff() -> Response:
        return json_response({"actor": current_principal().actor})

    @made.get("/registry/v1/who")
    @public
    def who() -> Response:
        found = current_principal()
        return json_response({"anonymous": found.anonymous, "roles": sorted(found.roles), "q": request.args.get("q")})

    @made.get("/registry/v1/undeclared")
    def undeclared() -> Response:
        return json_response("nobody thought about who may see this")

    document(made, "/registry/v1/things", "post", "Store a <thing>", tag="things", status=201)
    return made


@pytest.fixture
def http(app: Flask) -> FlaskClient:
    return app.test_client()
