"""All four services in one process, on one port: what `kechuang up` runs. In a cluster the Ingress does this.

Each app answers under its own prefix already, so a request is handed on as it came (werkzeug's DispatcherMiddleware
would cut the prefix off).
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from typing import Any

from services.incentives.app import create_app as incentives
from services.metrics.app import create_app as metrics
from services.portal.app import create_app as portal
from services.registry.app import create_app as registry

Wsgi = Callable[[dict[str, Any], Any], Iterable[bytes]]


def create_app() -> Wsgi:
    """Hands each request to the service whose prefix it carries, else to the portal."""
    environ = dict(os.environ)
    services: dict[str, Wsgi] = {"registry": registry(environ), "incentives": incentives(environ), "metrics": metrics(environ)}
    others = portal(environ)

    def app(request: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        first = request.get("PATH_INFO", "").lstrip("/").split("/", 1)[0]
        return services.get(first, others)(request, start_response)

    return app
