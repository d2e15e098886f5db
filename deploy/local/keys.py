"""`kechuang keys`: a new key for personal fields, and everything sealed anew under it."""

from __future__ import annotations

import click

from deploy.local.background import told
from deploy.local.data_dir import DataDir

FIELD = "field"


def new(data: DataDir) -> None:
    """Make it. Raises UsageError while a stack runs on the folder: its processes would not know it."""
    data.acquire()
    data.renew_key(FIELD)
    click.echo(f"{data.keys / FIELD} is new; start the stack, then `kechuang keys rotate --data {data.path}`")


def rotate(data: DataDir) -> int:
    """Re-seal the records of both services: 0 when nothing is left under an old key, and then the old one is forgotten."""
    from rich.progress import Progress, SpinnerColumn, TextColumn

    from services.incentives.kinds import KINDS as INCENTIVES
    from services.registry.kinds import KINDS as REGISTRY
    from shared.records.rotation import reseal
    from shared.records.service import records_of

    environ, left = told(data), 0
    with Progress(SpinnerColumn(), TextColumn("{task.description} {task.completed} sealed anew")) as bars:
        for service, kinds in (("registry", REGISTRY), ("incentives", INCENTIVES)):
            task = bars.add_task(service, total=None)
            found = reseal(records_of(service, kinds, environ)[0], lambda done, task=task: bars.update(task, completed=done))
            bars.update(task, completed=found.resealed)
            left += found.left
    if left:
        click.echo(f"{left} values are under an old key still; start it again", err=True)
        return 1
    data.forget_old_key(FIELD)
    click.echo("nothing is left under an old key")
    return 0
