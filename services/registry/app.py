"""The registry service: its web app and its import worker."""

from __future__ import annotations

import os
from collections.abc import Mapping

from flask import Flask

from services.registry.claims import mount_claims
from services.registry.consequences import mount_consequences
from services.registry.experts import mount_experts
from services.registry.kinds import KINDS
from services.registry.publicity import mount_publicity
from services.registry.recusal import mount_recusal
from shared.records import service
from shared.records.attachments import Attachments

NAME = "registry"


def create_app(environ: Mapping[str, str] | None = None) -> Flask:
    """The web app, configured by the environment."""
    app = service.create_app(NAME, KINDS, os.environ if environ is None else environ)
    records = app.extensions["records"]
    mount_consequences(app, records)
    mount_claims(app, records)
    mount_recusal(app, records)
    mount_experts(app, records)
    mount_publicity(app, records)
    return app


def run_worker(environ: Mapping[str, str] | None = None) -> None:
    """The import worker, configured by the environment; beside it what sweeps up uploads that no record names."""
    service.run_import_worker(NAME, KINDS, os.environ if environ is None else environ, lambda records: [Attachments(records).run])
