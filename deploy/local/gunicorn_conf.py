"""gunicorn's settings for one machine and for `kechuang serve`.

The master imports everything and builds nothing: a worker that takes the place of a dead one is a fork away from its first
answer, and all workers share the memory of the modules. Clients, threads and sockets are made after the fork, in the worker.
"""

# ruff: noqa: E402
from __future__ import annotations

from gevent import monkey

monkey.patch_all(os=False, signal=False)  # before anything keeps a plain lock or socket; the master goes on forking by itself

import os
from importlib import import_module
from typing import Any

bind = os.environ.get("BIND") or f"{os.environ.get('HOST', '0.0.0.0')}:{os.environ.get('PORT', '8080')}"
worker_class = "gevent"
workers = int(os.environ.get("WEB_WORKERS", "1"))
worker_connections = int(os.environ.get("WORKER_CONNECTIONS", "10000"))  # each open stream holds one
graceful_timeout = 3  # an open stream never ends by itself
timeout = 60
keepalive = 75
preload_app = False
control_socket_disable = True  # its default path would be shared by every stack of a user
accesslog = None
errorlog = "-"
loglevel = os.environ.get("LOG_LEVEL", "info")
forwarded_allow_ips = os.environ.get("FORWARDED_ALLOW_IPS", "127.0.0.1")


def on_starting(server: Any) -> None:
    """Import what the workers will run."""
    import_module(server.app.app_uri.partition(":")[0])


def post_worker_init(worker: Any) -> None:
    """A worker never outlives its master, not even a killed one."""
    from deploy.local.mongod import die_with_parent

    die_with_parent()
