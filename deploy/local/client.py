"""HTTP against a running stack: its address and a token from its folder unless given."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import httpx

from deploy.local.data_dir import DataDir, UsageError
from deploy.local.environment import AUDIENCE, ISSUER
from shared.errors import KechuangError


class Refused(KechuangError):
    """The stack answered with a problem; the sentence says which."""

    code = "refused"


def mint(
    data: DataDir,
    roles: Sequence[str],
    subject: str,
    town: str | None = None,
    enterprise: str | None = None,
    lifetime_s: int = 12 * 3600,
) -> str:
    """A bearer token for the stack of this folder. Raises UsageError when no stack ever ran on it."""
    from shared.auth.issuer import Issuer
    from shared.auth.roles import Role

    if not data.keys.exists():
        raise UsageError(f"{data.path} has no issuer: `kechuang up --data {data.path}` makes it")
    return Issuer(data.path, ISSUER, AUDIENCE).mint(
        [Role(role) for role in roles], subject, town=town, enterprise=enterprise, lifetime_s=lifetime_s
    )


class Api:
    """A client of the stack; every answer that is not 2xx is raised as one sentence."""

    def __init__(self, data: DataDir, url: str | None, token: str | None, roles: Sequence[str]) -> None:
        address = url or data.running().url
        bearer = token or (mint(data, roles, "operator") if data.keys.exists() else None)
        headers = {"Authorization": f"Bearer {bearer}"} if bearer else {}
        self.http = httpx.Client(base_url=address, headers=headers, timeout=60, trust_env=False)

    def call(self, method: str, path: str, **options: Any) -> httpx.Response:
        """Send one request. Raises Refused with the problem's own words."""
        try:
            answer = self.http.request(method, path, **options)
        except httpx.TransportError as error:
            raise Refused(f"{self.http.base_url} does not answer: {error}") from None
        if answer.is_success:
            return answer
        raise Refused(explain(answer))


def explain(answer: httpx.Response) -> str:
    """A problem document as text, every fault on a line of its own."""
    try:
        problem = answer.json()
        faults = [f"\n  {fault.get('pointer') or '/'}: {fault.get('message')}" for fault in problem.get("errors") or []]
        return f"{answer.status_code} {problem.get('title', '')}: {problem.get('detail', '')}{''.join(faults)}"
    except (ValueError, AttributeError):
        return f"{answer.status_code} from {answer.url}"
