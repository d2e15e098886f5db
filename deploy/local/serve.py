"""`kechuang serve`: one service under gunicorn, configured by the environment only."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from pathlib import Path

from services.metrics.config import WebConfig
from services.portal.config import PortalConfig
from shared.config import read
from shared.records.service import Settings

CONFIGURATION = Path(__file__).with_name("gunicorn_conf.py")
RECORD_SERVICES = ("registry", "incentives")


def check(service: str, environ: Mapping[str, str]) -> None:
    """Raises ConfigError naming every variable of `service` that is missing or cannot be read."""
    if service in RECORD_SERVICES:
        read(Settings, environ)
    elif service == "metrics":
        read(WebConfig, environ).check()
    else:
        read(PortalConfig, environ)


def serve(service: str) -> None:
    """Become gunicorn. What is wrong with the environment is said before, in one sentence instead of a worker's trace."""
    check(service, os.environ)
    os.execv(sys.executable, [sys.executable, "-m", "gunicorn", "-c", str(CONFIGURATION), f"services.{service}.app:create_app()"])
