"""The incentives service: its web app, its import worker and the process that follows changes."""

from __future__ import annotations

import os
from collections.abc import Mapping

from flask import Flask

from services.incentives.applications.routes import mount_applications
from services.incentives.budgets.ledger import mount_ledger
from services.incentives.eligibility.routes import mount_eligibility
from services.incentives.following.projection import Projection
from services.incentives.intake.duplicates import mount_duplicates
from services.incentives.kinds import KINDS
from services.incentives.payments.cases import mount_cases
from services.incentives.payments.routes import mount_payments
from shared.records import service
from shared.records.write import Records

NAME = "incentives"


def create_app(environ: Mapping[str, str] | None = None) -> Flask:
    """The web app, configured by the environment."""
    app = service.create_app(NAME, KINDS, os.environ if environ is None else environ)
    records: Records = app.extensions["records"]
    projection = Projection(records.client, records.database)
    projection.ensure()
    app.extensions["alarms"].append(projection.halts.reasons)  # everything else of the service goes on
    mount_duplicates(app, records)
    mount_eligibility(app, records)
    mount_applications(app, records)
    mount_payments(app, records)
    mount_cases(app, records)
    mount_ledger(app, records)
    return app


def run_worker(environ: Mapping[str, str] | None = None) -> None:
    """The import worker, configured by the environment."""
    service.run_import_worker(NAME, KINDS, os.environ if environ is None else environ)


def records_of(environ: Mapping[str, str]) -> Records:
    """The service's records, for its other processes; their collections are not made yet."""
    return service.records_of(NAME, KINDS, environ)[0]
