"""The portal: the public board, and the identity endpoints of the embedded issuer."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from flask import Flask, Response, render_template, request, send_from_directory

from services.portal.board import Board, fetch, figure
from services.portal.config import PortalConfig
from services.portal.words import WORDS
from shared import config
from shared.auth.issuer import Issuer
from shared.auth.roles import Role
from shared.auth.verifier import TokenVerifier
from shared.auth.web import access, public
from shared.clock import clock_from_environment
from shared.errors import Unavailable
from shared.web.app import create_app as base_app
from shared.web.json import json_response

HERE = Path(__file__).parent
LANGUAGES = ("zh", "en")
YEAR_S = 365 * 86_400
POLICY = "default-src 'self'; frame-ancestors 'none'; base-uri 'none'; form-action 'self'"


def create_app(environ: Mapping[str, str] | None = None) -> Flask:
    """The portal's web app."""
    source = dict(os.environ if environ is None else environ)
    settings = config.read(PortalConfig, source)
    verifier = TokenVerifier(settings.oidc_issuer, settings.oidc_audience, settings.oidc_jwks_url, settings.actor_key)
    app = base_app("portal", "", verifier=verifier, clock=clock_from_environment(source))
    app.template_folder = str(HERE / "templates")
    app.add_template_filter(figure)
    _mount_board(app, settings)
    if settings.issuer_dir:
        _mount_issuer(app, settings)
    return app


def _mount_board(app: Flask, settings: PortalConfig) -> None:
    open_to = public if settings.public_board else access(*(set(Role) - {Role.SYSADMIN}))

    @open_to
    def board() -> Response:
        language = _language()
        try:
            found: Board | None = fetch(settings.figures_url, request.headers.get("Authorization"))
        except Unavailable:
            found = None
        text = render_template("board.html", board=found, t=WORDS[language], lang=language, other=WORDS[language]["other"])
        answer = Response(text, 200 if found else 503, content_type="text/html; charset=utf-8")
        answer.headers["Content-Security-Policy"] = POLICY
        if not found:
            answer.headers["Retry-After"] = "2"
        if request.args.get("lang") in LANGUAGES:
            answer.set_cookie("kechuang_lang", language, max_age=YEAR_S, samesite="Lax", httponly=True)
        return answer

    @public
    def static_file(name: str) -> Response:
        return send_from_directory(HERE / "static", name, max_age=0)

    @public
    def favicon() -> Response:
        return Response(status=204)

    app.add_url_rule("/", "board", board)
    app.add_url_rule("/static/<path:name>", "static_file", static_file)
    app.add_url_rule("/favicon.ico", "favicon", favicon)


def _language() -> str:
    asked = request.args.get("lang") or request.cookies.get("kechuang_lang")
    return asked if asked in LANGUAGES else "zh"


def _mount_issuer(app: Flask, settings: PortalConfig) -> None:
    issuer = Issuer(Path(settings.issuer_dir), settings.oidc_issuer, settings.oidc_audience)

    @public
    def jwks() -> Response:
        return json_response(issuer.jwks())

    @public
    def discovery() -> Response:
        return json_response({
            "issuer": settings.oidc_issuer, "jwks_uri": f"{settings.public_url}/.well-known/jwks.json",
            "id_token_signing_alg_values_supported": ["ES256"], "subject_types_supported": ["public"],
            "response_types_supported": ["token"],
        })

    app.add_url_rule("/.well-known/jwks.json", "jwks", jwks)
    app.add_url_rule("/.well-known/openid-configuration", "discovery", discovery)
