"""The one command-line tool. Everything heavy is imported by the command that needs it."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from deploy.local.data_dir import DEFAULT, DataDir, UsageError
from shared.errors import KechuangError

SERVICES = ("registry", "incentives")
MONGO = "KECHUANG_MONGO"  # an address with a password does not belong into a process's arguments
Command = Callable[..., Any]


class Word(click.Command):
    """A command whose answer alone is on standard output; what is logged on the way is not."""

    def invoke(self, context: click.Context) -> Any:
        """Run it. Long-running processes turn their log to standard output themselves."""
        import structlog

        structlog.configure(logger_factory=structlog.PrintLoggerFactory(sys.stderr))
        return super().invoke(context)


class Tool(click.Group):
    """Turns expected errors into one sentence and an exit code."""

    command_class = Word
    group_class = type

    def invoke(self, context: click.Context) -> Any:
        """Run the command: wrong use ends with 2, what failed on the way with 1."""
        try:
            return super().invoke(context)
        except UsageError as error:
            click.echo(f"kechuang: {error}", err=True)
            sys.exit(2)
        except KechuangError as error:
            click.echo(f"kechuang: {error.message}", err=True)
            sys.exit(1)


@click.group(cls=Tool, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@click.version_option(package_name="kechuang")
def main() -> None:
    """Kechuang runs a district's science-and-technology action plan, live.

    `kechuang up --demo` starts everything on this machine and loads a demo district.
    """


def with_data(command: Command) -> Command:
    """Give the command its `--data DIR`."""

    def folder(_context: click.Context, _parameter: click.Parameter, value: str) -> DataDir:
        return DataDir(value)

    return click.option(
        "--data", metavar="DIR", default=DEFAULT, envvar="KECHUANG_DATA", show_default=True, callback=folder,
        help="Folder of the stack: its store, keys, clock and logs.",
    )(command)


def with_http(command: Command) -> Command:
    """Give the command `--data`, `--url` and `--token`."""
    command = click.option("--token", envvar="KECHUANG_TOKEN", help="Bearer token; default: minted from DIR.")(command)
    command = click.option("--url", help="Address of the stack; default: the one that runs on DIR.")(command)
    return with_data(command)


def instant(_context: click.Context, _parameter: click.Parameter, value: str | None) -> Any:
    """Read an RFC 3339 instant."""
    from shared.clock import parse_instant

    try:
        return None if value is None else parse_instant(value)
    except ValueError as error:
        raise click.BadParameter(f"{value!r}: {error}") from None


@main.command()
@click.option("--port", type=click.IntRange(0, 65535), default=8080, show_default=True, help="0 takes a free one.")
@click.option("--demo", is_flag=True, help="Load the demo district once, and run on a demo clock.")
@click.option("--clock", metavar="INSTANT", callback=instant, help="Run on a demo clock that begins here (RFC 3339).")
@click.option("--mongo", metavar="URI", envvar=MONGO, show_envvar=True, help="A MongoDB replica set of your own instead of one in DIR.")
@click.option("--kafka", metavar="HOST:PORT", help="An Apache Kafka of your own instead of the embedded log.")
@click.option("--board", is_flag=True, help="Print the indicator board once everything is ready.")
@click.option("--once", is_flag=True, help="Print the board and end.")
@with_data
def up(**options: Any) -> None:
    """Run the whole stack on this machine, on one port, until Ctrl-C.

    Prints `ready http://127.0.0.1:PORT` on a line of its own once every service is ready. A process that dies is
    started again; all of them end with this one. A later `up` on the same DIR goes on where the last one stopped.
    """
    from deploy.local.up import Options, run

    sys.exit(run(Options(**options)))


@main.command()
@click.argument("service", type=click.Choice([*SERVICES, "metrics", "portal"]))
@with_data
def serve(data: DataDir, service: str) -> None:
    """Run one service under gunicorn, configured by the environment (MONGO_URI, OIDC_ISSUER, PORT, …)."""
    from deploy.local.serve import serve

    serve(service)


@main.command()
@click.argument("service", type=click.Choice(SERVICES))
@with_data
def relay(data: DataDir, service: str) -> None:
    """Run the relay of a service: copies its changes to the log."""
    from deploy.local import background

    background.relay(data, service)


@main.command()
@click.argument("service", type=click.Choice(SERVICES))
@with_data
def worker(data: DataDir, service: str) -> None:
    """Run the import worker of a service."""
    from deploy.local import background

    background.worker(data, service)


@main.command()
@click.argument("service", type=click.Choice(["incentives"]))
@with_data
def follow(data: DataDir, service: str) -> None:
    """Run the process of a service that follows the others' events: incentives offers what became due (免申即享)."""
    from deploy.local import background

    background.follow(data)


@main.command(hidden=True)
@click.option("--port", type=int, required=True)
@with_data
def store(data: DataDir, port: int) -> None:
    """Run the embedded MongoDB of DIR (started by `up`)."""
    from deploy.local.store import run

    sys.exit(run(data, port, Path(os.environ["READY_FILE"])))


@main.command()
@with_data
def ingest(data: DataDir) -> None:
    """Run the metrics consumer: folds the log's events into dossiers, rows and step functions."""
    from deploy.local import background

    background.ingest(data)


@main.command()
@with_data
def publish(data: DataDir) -> None:
    """Run the metrics publisher: announces every change of a reading."""
    from deploy.local import background

    background.publish(data)


@main.command()
@with_data
def migrate(data: DataDir) -> None:
    """Make every collection, index and topic (the environment says where); before an upgrade, and as often as you like."""
    from deploy.local.background import told
    from deploy.local.migrate import migrate

    migrate(told(data), click.echo)


@main.group()
def demo() -> None:
    """The demo district."""


@demo.command("load")
@with_http
def demo_load(data: DataDir, url: str | None, token: str | None) -> None:
    """Load the demo district through the public HTTP API, with a progress bar; once for each DIR."""
    from deploy.local.demo_load import load_once

    load_once(data, url, token)


@main.command()
@click.option("--once", is_flag=True, help="Print the board as it is and end.")
@click.option("--lang", type=click.Choice(["zh", "en"]), help="Language of names; default: from LANG, else zh.")
@with_http
def board(data: DataDir, url: str | None, token: str | None, once: bool, lang: str | None) -> None:
    """The indicator board in the terminal, live: a subscriber of the stream."""
    from deploy.local.board import show

    show(data, url, token, once=once, language=lang)


@main.command()
@click.option("--role", "roles", multiple=True, required=True, help="A role; may be given several times.")
@click.option("--subject", default="operator", show_default=True, help="Who it is (the token's `sub`).")
@click.option("--town", metavar="CODE", help="The town to which the roles are confined.")
@click.option("--enterprise", metavar="USCC", help="The enterprise for which the subject acts.")
@with_data
def token(data: DataDir, roles: tuple[str, ...], subject: str, town: str | None, enterprise: str | None) -> None:
    """Print a bearer token for the stack of DIR."""
    from deploy.local.client import mint

    click.echo(mint(data, check_roles(roles), subject, town, enterprise))


def check_roles(roles: tuple[str, ...]) -> list[str]:
    """Raises UsageError naming the roles that do not exist."""
    from shared.auth.roles import Role

    known = [role.value for role in Role]
    if unknown := [role for role in roles if role not in known]:
        raise UsageError(f"no such role: {', '.join(unknown)}; there are {', '.join(known)}")
    return list(roles)


@main.group()
def clock() -> None:
    """The clock of a demo stack."""


@clock.command("set")
@click.argument("to", metavar="INSTANT", callback=instant)
@with_data
def clock_set(data: DataDir, to: Any) -> None:
    """Move the demo clock forward; returns when a crossed midnight is published."""
    from deploy.local.clock_set import move

    click.echo(move(data, to))


@main.group()
def log() -> None:
    """The event log of a demo stack."""


@log.command("append")
@click.argument("topic")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, allow_dash=True, path_type=Path))
@with_data
def log_append(data: DataDir, topic: str, file: Path) -> None:
    """Append the CloudEvents of FILE.ndjson to the log as they are: late, doubled, poisoned ones too (demo only)."""
    from deploy.local.log_append import append

    click.echo(f"{append(data, topic, file)} events appended to {topic}")


@main.command("import")
@click.argument("kind")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--dry-run", is_flag=True, help="Check every row and write nothing.")
@click.option("--lookup", is_flag=True, help="Only say which rows are registered.")
@click.option("--result", type=click.Path(dir_okay=False, path_type=Path), help="Result file; default: beside FILE.")
@with_http
def import_(
    data: DataDir, url: str | None, token: str | None, kind: str, file: Path, dry_run: bool, lookup: bool, result: Path | None
) -> None:
    """Import a CSV, XLSX or NDJSON file of one record kind, with a progress bar and a result file."""
    from deploy.local.bulk import run

    sys.exit(run(data, url, token, kind, file, dry_run, result, lookup))


@main.group()
def plan() -> None:
    """The plan as data."""


@plan.command("check")
@click.argument("folder", metavar="DIR", type=click.Path(exists=True, file_okay=False, path_type=Path))
@with_data
def plan_check(data: DataDir, folder: Path) -> None:
    """Validate a plan folder; every error carries file, line and reason."""
    from deploy.local.upkeep import check_plan

    sys.exit(check_plan(folder))


@main.group()
def keys() -> None:
    """The keys that personal fields are sealed with."""


@keys.command("new")
@with_data
def keys_new(data: DataDir) -> None:
    """Make a new key for DIR, the stack stopped; the old one is kept until `keys rotate` has left nothing under it."""
    from deploy.local.keys import new

    new(data)


@keys.command("rotate")
@with_data
def keys_rotate(data: DataDir) -> None:
    """Seal everything anew under the present key while the stack runs; may be broken off and started again."""
    from deploy.local.keys import rotate

    sys.exit(rotate(data))


@main.group()
def policies() -> None:
    """Incentive policies as data."""


@policies.command("trial")
@click.argument("policy_id")
@click.option("--winners", type=click.Path(dir_okay=False, path_type=Path), help="NDJSON file for everyone whose amount it says.")
@with_http
def policies_trial(data: DataDir, url: str | None, token: str | None, policy_id: str, winners: Path | None) -> None:
    """Who gains if: try a policy version on the whole district, beside the version in force; cost and winners."""
    from deploy.local.policies import trial

    trial(data, url, token, policy_id, winners)


@main.command()
@click.argument("kind")
@click.argument("record_id")
@with_http
def replay(data: DataDir, url: str | None, token: str | None, kind: str, record_id: str) -> None:
    """Repeat a record's stored decision and say what today's rules would give; exit 1 if the repetition differs."""
    from deploy.local.policies import replay

    sys.exit(replay(data, url, token, kind, record_id))


@main.command()
@click.option("--from", "origin", type=click.Choice(["log", "stores"]), default="log", show_default=True)
@with_data
def rebuild(data: DataDir, origin: str) -> None:
    """Compute every indicator anew, from the log or from the services' event feeds, and switch in one step."""
    from deploy.local.upkeep import rebuild

    sys.exit(rebuild(data, origin))


@main.command()
@with_data
def reconcile(data: DataDir) -> None:
    """Compare with a recount over the event feeds; prints differences by record id, exit 1 if there are any."""
    from deploy.local.upkeep import reconcile

    sys.exit(reconcile(data))


@main.group()
def audit() -> None:
    """The audit of every write, look and refused try."""


@audit.command("verify")
@click.option("--expect", "noted", multiple=True, metavar="SERVICE:NUMBER:HASH", help="An anchor noted earlier must still stand.")
@click.option("--all", "every", is_flag=True, help="Print every finding, not only the first of each service.")
@with_data
def audit_verify(data: DataDir, noted: tuple[str, ...], every: bool) -> None:
    """Walk changes, access logs and anchors; names the first altered, missing, added or reordered entry, exit 1."""
    from deploy.local.audit import verify

    sys.exit(verify(data, noted, every))


@main.command()
@click.argument("folder", metavar="DIR", type=click.Path(path_type=Path))
@with_data
def backup(data: DataDir, folder: Path) -> None:
    """Back up the running stack into DIR: all its records as of one instant, while it goes on.

    KECHUANG_BACKUP_PASSPHRASE seals the stack's keys in it; without, they are in it as they are.
    """
    from deploy.backup.take import backup

    backup(data, folder, os.environ)


@main.command()
@click.argument("folder", metavar="DIR", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option("--into", metavar="DATA", type=click.Path(path_type=Path), help="Folder of the new stack; default: --data.")
@click.option("--mongo", metavar="URI", envvar=MONGO, show_envvar=True, help="Restore into this MongoDB replica set instead of a folder.")
@click.option("--new-log", is_flag=True, help="The stack will go on with an empty log (always so if it was on Kafka).")
@with_data
def restore(data: DataDir, folder: Path, into: Path | None, mongo: str | None, new_log: bool) -> None:
    """Restore the backup DIR into a folder or a MongoDB that has no data yet; `up` goes on from there."""
    from deploy.backup.restore import restore

    restore(folder, DataDir(into) if into else data, mongo, new_log, os.environ)


@main.group("dead-letters")
def dead_letters() -> None:
    """Events that could not be applied."""


def with_service(command: Command) -> Command:
    """Give the command its `--service NAME`."""
    choice = click.Choice(["metrics", "incentives"])
    return click.option("--service", type=choice, help="Only what this one could not apply; default: every service.")(command)


@dead_letters.command("list")
@with_service
@with_data
def dead_letters_list(data: DataDir, service: str | None) -> None:
    """List them with topic, partition, offset, reason and the service that could not apply them."""
    from deploy.local.upkeep import list_dead_letters

    sys.exit(list_dead_letters(data, service))


@dead_letters.command("replay")
@click.argument("ids", nargs=-1)
@with_service
@with_data
def dead_letters_replay(data: DataDir, ids: tuple[str, ...], service: str | None) -> None:
    """Try them again: all, or those named. They come on the log once, and every service reads them."""
    from deploy.local.upkeep import replay_dead_letters

    sys.exit(replay_dead_letters(data, ids, service))


@dead_letters.command("drop")
@click.argument("ids", nargs=-1, required=True)
@with_service
@with_data
def dead_letters_drop(data: DataDir, ids: tuple[str, ...], service: str | None) -> None:
    """Drop the named ones for good ("all": every one)."""
    from deploy.local.upkeep import drop_dead_letters

    sys.exit(drop_dead_letters(data, ids, service))


if __name__ == "__main__":
    main()
