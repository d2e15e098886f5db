"""`kechuang demo load`: the demo district once for each folder, settled when it returns."""

from __future__ import annotations

from collections.abc import Sequence

from deploy.local import readiness
from deploy.local.client import mint
from deploy.local.data_dir import DataDir


def load_once(data: DataDir, url: str | None, token: str | None) -> None:
    """Load it through HTTP and wait until every change is published; nothing if the folder has it."""
    import click

    from deploy.local.demo.load import load

    if url is None and data.demo_marker.exists():
        click.echo(f"{data.path} has the demo district already", err=True)
        return
    address = url or data.running().url

    def token_for(roles: Sequence[str]) -> str:
        return token or mint(data, [str(role) for role in roles], "demo:" + "+".join(sorted(map(str, roles))))

    load(address, token_for)
    if url is None:
        readiness.await_settled(data.running())
        data.demo_marker.touch()
