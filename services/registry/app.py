"""The registry service: its web app and its import worker."""

from __future__ import annotations

import os
from collections.abc import Mapping

from flask import Flask

from services.registry.consequences import mount_consequences
from services.registry.kinds import KINDS
from shared.records import service

NAME = "registry"


def create_app(environ: Mapping[str, str] | None = None) -> Flask:
    """The web app, configured by the environment."""
    app = service.create_app(NAME, KINDS, os.environ if environ is None else environ)
    mount_consequences(app, app.extensions["records"])
    return app


def run_worker(environ: Mapping[str, str] | None = None) -> None:
    """The import worker, configured by the environment."""
    service.run_import_worker(NAME, KINDS, os.environ if environ is None else environ)
