"""Who may call a route: every endpoint declares it, what has not declared is refused."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from flask import current_app, g, request

from shared.auth.principal import ANONYMOUS, Principal
from shared.auth.roles import Role
from shared.errors import Forbidden, Unauthorized

View = TypeVar("View", bound=Callable[..., Any])
COOKIE = "kechuang_session"
ACCESS = "__kechuang_access__"


def public(view: View) -> View:
    """Declare a view open to everybody."""
    setattr(view, ACCESS, None)
    return view


def access(*roles: Role) -> Callable[[View], View]:
    """Declare a view open to any of the roles."""

    def declare(view: View) -> View:
        setattr(view, ACCESS, frozenset(roles))
        return view

    return declare


def current_principal() -> Principal:
    """The caller of this request: bearer header, or the portal's cookie for same-origin requests. Raises Unauthorized."""
    if "principal" not in g:
        g.principal = _identify()
    found: Principal = g.principal
    return found


def _identify() -> Principal:
    header = request.headers.get("Authorization", "")
    if header:
        scheme, _, token = header.partition(" ")
        if scheme.lower() != "bearer" or not token.strip():
            raise Unauthorized("the Authorization header must be: Bearer TOKEN")
        return _verified(token.strip())
    cookie = request.cookies.get(COOKIE)
    if cookie and request.headers.get("Sec-Fetch-Site", "same-origin") in ("same-origin", "none"):
        return _verified(cookie)
    return ANONYMOUS


def _verified(token: str) -> Principal:
    found: Principal = current_app.extensions["verifier"].verify(token)
    widen = current_app.extensions.get("widen")  # by what the service itself knows of the caller
    return widen(found) if widen else found


def require(*roles: Role) -> Principal:
    """The caller, if it holds one of the roles. Raises Unauthorized without identity, Forbidden without the role."""
    principal = current_principal()
    if principal.anonymous:
        raise Unauthorized("a bearer token is needed")
    if not principal.has(*roles):
        raise Forbidden(f"one of these roles is needed: {', '.join(sorted(roles))}")
    return principal


def check_declared_access() -> None:
    """Before every request: deny by default."""
    if request.endpoint is None:
        return  # 404 or 405, answered by the router
    view = current_app.view_functions[request.endpoint]
    if not hasattr(view, ACCESS):
        raise Forbidden("this route has not declared who may call it")
    roles = getattr(view, ACCESS)
    if roles is not None:
        require(*roles)
