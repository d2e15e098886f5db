"""What every service has: routes denied by default, health, telemetry, and a description of itself."""

from __future__ import annotations

import pytest
from flask import Flask
from flask.testing import FlaskClient

from shared.auth.issuer import Issuer
from shared.auth.web import COOKIE


def bearer(issuer: Issuer, *roles: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {issuer.mint(roles, 'alice')}"}


def test_a_route_that_has_not_said_who_may_call_it_is_closed(http: FlaskClient, issuer: Issuer) -> None:
    assert http.get("/registry/v1/undeclared", headers=bearer(issuer, "auditor", "sysadmin")).status_code == 403


def test_a_role_opens_what_it_opens(http: FlaskClient, issuer: Issuer) -> None:
    anonymous = http.get("/registry/v1/staff")
    assert anonymous.status_code == 401
    assert anonymous.headers["WWW-Authenticate"] == "Bearer"
    assert http.get("/registry/v1/staff", headers=bearer(issuer, "viewer")).status_code == 403
    assert http.get("/registry/v1/staff", headers=bearer(issuer)).status_code == 403
    assert len(http.get("/registry/v1/staff", headers=bearer(issuer, "viewer", "auditor")).get_json()["actor"]) == 32


@pytest.mark.parametrize("header", ["Bearer", "Bearer ", "Basic YTpi", "Bearer a.b.c", "bearer é", "Bearer a b", "\ud83d".encode(
    "utf-16", "surrogatepass").decode("latin-1")])
def test_a_broken_authorization_is_told_so_everywhere(http: FlaskClient, header: str) -> None:
    assert http.get("/registry/v1/staff", headers={"Authorization": header}).status_code == 401


def test_the_sessions_cookie_counts_for_same_origin_requests_only(http: FlaskClient, issuer: Issuer) -> None:
    http.set_cookie(COOKIE, issuer.mint(["auditor"], "alice"))
    assert http.get("/registry/v1/who").get_json()["roles"] == ["auditor"]
    assert http.get("/registry/v1/who", headers={"Sec-Fetch-Site": "same-origin"}).get_json()["roles"] == ["auditor"]
    for foreign in ("cross-site", "same-site", "anything"):
        assert http.get("/registry/v1/who", headers={"Sec-Fetch-Site": foreign}).get_json()["anonymous"] is True


def test_a_token_in_the_address_is_nothing(http: FlaskClient, issuer: Issuer) -> None:
    token = issuer.mint(["auditor"], "alice")
    assert http.get(f"/registry/v1/staff?access_token={token}&token={token}").status_code == 401


def test_ready_says_what_it_waits_for(app: Flask, http: FlaskClient) -> None:
    assert http.get("/registry/-/live").get_json() == {"live": True}
    assert http.get("/registry/-/ready").status_code == 200
    app.extensions["ready_checks"] += [lambda: None, lambda: "database: away"]
    answer = http.get("/registry/-/ready")
    assert (answer.status_code, answer.get_json()) == (503, {"ready": False, "waiting_for": ["database: away"]})


def test_telemetry_is_prometheus_text(http: FlaskClient) -> None:
    http.get("/registry/v1/who?q=91441502MAQQQQ019U")
    http.open("/registry/v1/made-up", method="BREW")
    answer = http.get("/registry/-/metrics")
    assert answer.mimetype == "text/plain"
    assert 'kechuang_http_seconds_count{endpoint="who",method="GET",service="registry",status="200"}' in answer.text
    assert "91441502MAQQQQ019U" not in answer.text
    assert "BREW" not in answer.text


def test_a_service_describes_itself_without_internet(http: FlaskClient) -> None:
    spec = http.get("/registry/v1/openapi.json").get_json()
    assert spec["openapi"] == "3.1.0"
    assert set(spec["paths"]["/registry/v1/things"]["post"]["responses"]) >= {"201", "401", "503"}
    page = http.get("/registry/v1/docs")
    assert page.mimetype == "text/html"
    assert "Store a &lt;thing&gt;" in page.text
    assert "//" not in page.text.replace("<!--", "")
    assert "<script" not in page.text


def test_answers_are_not_guessed_at_nor_kept(http: FlaskClient) -> None:
    headers = http.get("/registry/v1/who").headers
    assert (headers["X-Content-Type-Options"], headers["Cache-Control"]) == ("nosniff", "no-store")
