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
from services.registry.reminders import plan as reminders
from services.registry.reminders.main import Reminders, Settings, alarms_of
from services.registry.reminders.routes import mount_notifications
from shared import config
from shared.records import service
from shared.records.attachments import Attachments
from shared.records.write import Records

NAME = "registry"


def create_app(environ: Mapping[str, str] | None = None) -> Flask:
    """The web app, configured by the environment."""
    app = service.create_app(NAME, KINDS, os.environ if environ is None else environ)
    records: Records = app.extensions["records"]
    mount_consequences(app, records)
    mount_claims(app, records)
    mount_recusal(app, records)
    mount_experts(app, records)
    mount_publicity(app, records)
    reminders.ensure(records)
    mount_notifications(app, records)
    app.extensions["alarms"].append(alarms_of(records))
    return app


def run_worker(environ: Mapping[str, str] | None = None) -> None:
    """The import worker, configured by the environment; beside it what sweeps up uploads that no record names, and reminds."""
    source = os.environ if environ is None else environ
    settings = config.read(Settings, source)
    service.run_import_worker(NAME, KINDS, source, lambda records: [Attachments(records).run, Reminders(records, settings).run])
