"""The metrics web service: readings, drill-downs, the plan and the stream."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping

from flask import Flask

from services.metrics.config import WebConfig
from services.metrics.definitions import Definitions
from services.metrics.push.hub import Hub
from services.metrics.store.collections import Store
from services.metrics.web import routes, streaming
from services.metrics.web.board import Board
from shared.auth.verifier import Claims, TokenVerifier
from shared.clock import clock_from_environment
from shared.config import read
from shared.log.halts import Halts
from shared.mongo import connect
from shared.wake import Wake
from shared.web.app import create_app as create_web_app


def create_app(environ: Mapping[str, str] | None = None) -> Flask:
    """Build the app of this process. Call after the fork. Raises ConfigError naming all that is missing."""
    source = dict(os.environ if environ is None else environ)
    config = read(WebConfig, source)
    config.check()
    claims = Claims(config.oidc_claim_roles, config.oidc_claim_town, config.oidc_claim_enterprise)
    verifier = TokenVerifier(config.oidc_issuer, config.oidc_audience, config.oidc_jwks_url, config.actor_key, claims)
    clock = clock_from_environment(source)
    app = create_web_app("metrics", "/metrics", verifier=verifier, clock=clock)
    store = Store(connect(config.mongo_uri, config.database, alias="metrics"), config.database)
    board = Board(store, Definitions.load(config.plan_dir), clock, config.stale_after_s)
    mount(app, board, config)
    return app


def mount(app: Flask, board: Board, config: WebConfig) -> Hub:
    """Hang everything of this service into an app; the hub that its streams share."""
    wake = Wake(board.store.changes, [{"$match": {"operationType": "insert"}}])
    hub = Hub(board.publications, wake.wait, config.stream_queue)
    routes.mount(app, board, config.public_board)
    streaming.mount(app, board, hub, config.public_board)
    app.extensions["hub"] = hub
    app.extensions["ready_checks"].append(ready(board))
    halts = Halts(board.store.state, "ingest")
    app.extensions["alarms"] += [halts.reasons, board.publications.alarms]  # the board stays up, and stale
    return hub


def ready(board: Board) -> Callable[[], str | None]:
    """Ready when the store answers and something has been published."""

    def check() -> str | None:
        try:
            published = board.publications.state().published_as_of
        except Exception as away:  # any failure at all means not ready; the reason is told
            return f"the store does not answer: {type(away).__name__}"
        return None if published else "nothing has been published yet"

    return check
