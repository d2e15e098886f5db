"""A service that is a list of kinds: its configuration, web app and import worker."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from flask import Flask

from shared import config
from shared.auth.verifier import Claims, TokenVerifier
from shared.clock import clock_from_environment
from shared.errors import ConfigError
from shared.health import database_answers, serve_health
from shared.mongo import connect, end_what_died
from shared.records import import_worker
from shared.records.anchors import Anchors
from shared.records.attachment_routes import mount_attachments
from shared.records.attachments import Attachments
from shared.records.audit_routes import mount_audit
from shared.records.blueprint import mount_kinds
from shared.records.chores import Chore
from shared.records.imports import Imports
from shared.records.kind import Kind
from shared.records.personal import Sealer
from shared.records.refusals import watch
from shared.records.reveal import mount_reveals
from shared.records.review import mount_review
from shared.records.write import Records
from shared.standards.codes import CODES
from shared.telemetry import configure_logging
from shared.web.app import create_app as base_app

KEY = re.compile(r"[0-9a-fA-F]{64}")


@dataclass(frozen=True)
class Settings:
    """What a record service reads from its environment."""

    mongo_uri: str
    oidc_issuer: str
    oidc_audience: str
    oidc_jwks_url: str
    actor_key: str
    field_key: str
    blind_key: str
    field_keys_old: str = ""  # keys still read while `kechuang keys rotate` re-seals, separated by commas
    reveals_per_hour: int = 30  # how many full looks at personal fields one person may take
    db_prefix: str = "kechuang"
    oidc_claim_roles: str = "roles"
    oidc_claim_town: str = "town"
    oidc_claim_enterprise: str = "enterprise"
    telemetry_port: int = 0  # of the import worker, see `shared.health`; 0 = none

    def __post_init__(self) -> None:
        """Raise ConfigError for keys that are none: of an empty one everybody knows what it seals under."""
        keys = {"FIELD_KEY": [self.field_key], "BLIND_KEY": [self.blind_key], "FIELD_KEYS_OLD": self.old_keys}
        wrong = [f"{name} is not a key of 64 hexadecimal digits" for name, held in keys.items() if not all(map(KEY.fullmatch, held))]
        if wrong := ["ACTOR_KEY is empty"] * (not self.actor_key) + wrong:
            raise ConfigError("; ".join(wrong))

    @property
    def old_keys(self) -> list[str]:
        """Keys that are only read with."""
        return [key for key in self.field_keys_old.split(",") if key]


def records_of(service: str, kinds: Iterable[Kind], environ: Mapping[str, str]) -> tuple[Records, Settings]:
    """The records of a service; their collections and indexes are not made yet."""
    settings = config.read(Settings, environ)
    database = f"{settings.db_prefix}_{service}"
    client = connect(settings.mongo_uri, database, alias=service)
    sealer = Sealer(settings.field_key, settings.blind_key, settings.old_keys)
    records = Records(client, database, service, kinds, clock_from_environment(dict(environ)), sealer)
    return records, settings


def create_app(service: str, kinds: Iterable[Kind], environ: Mapping[str, str]) -> Flask:
    """The service's web app."""
    records, settings = records_of(service, kinds, environ)
    end_what_died(records.client)
    records.ensure_collections()
    imports = Imports(records)
    imports.ensure()
    claims = Claims(settings.oidc_claim_roles, settings.oidc_claim_town, settings.oidc_claim_enterprise)
    verifier = TokenVerifier(
        settings.oidc_issuer, settings.oidc_audience, settings.oidc_jwks_url, settings.actor_key, claims
    )
    app = base_app(service, f"/{service}", verifier=verifier, clock=records.clock)
    watch(app, records.access_log)
    app.extensions["records"] = records
    mount_kinds(app, records, imports, CODES)
    mount_reveals(app, records, settings.reveals_per_hour)
    mount_audit(app, records)
    mount_review(app, records)
    if any(kind.attaches for kind in records.kinds.values()):
        attachments = Attachments(records)
        attachments.ensure()
        mount_attachments(app, attachments)
    app.extensions["ready_checks"].append(database_answers(records.client))
    return app


ChoresOf = Callable[[Records], Iterable[Chore]]


def run_import_worker(
    service: str, kinds: Iterable[Kind], environ: Mapping[str, str], chores_of: ChoresOf = lambda _: ()
) -> None:
    """The service's import worker, until it is told to stop; beside it the anchoring of its audit and its own chores."""
    records, settings = records_of(service, kinds, environ)
    configure_logging(f"worker-{service}", environ.get("LOG_LEVEL", "info"))
    end_what_died(records.client)
    serve_health(settings.telemetry_port, [database_answers(records.client)])
    anchors = Anchors(service, records.database, records.clock)
    import_worker.main(Imports(records), [anchors.run, *chores_of(records)])
