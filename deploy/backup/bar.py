"""The progress bar of both directions."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from deploy.backup.snapshot import Progress


@contextmanager
def bar(what: str) -> Iterator[Progress]:
    """Gives `advance(done, total)`, in documents."""
    from rich import progress

    columns = progress.TextColumn("{task.description}"), progress.BarColumn(), progress.MofNCompleteColumn(), progress.TimeElapsedColumn()
    with progress.Progress(*columns) as shown:
        task = shown.add_task(what, total=None)

        def advance(done: int, total: int) -> None:
            shown.update(task, completed=done, total=total)

        yield advance
