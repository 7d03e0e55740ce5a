"""The command line: one function per verb, one sentence per error."""

import datetime as dt
import os
import sys
import traceback
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any, TypeVar

import click
import orjson

from waypost import __version__
from waypost.errors import WaypostError, WrongUse
from waypost.settings import Settings
from waypost.store import keys, migrate, partitions, projects, retention
from waypost.store.audit import Actor
from waypost.store.engine import plainly
from waypost.store.opened import store

Verb = TypeVar("Verb", bound=Callable[..., Any])


def main() -> None:
    """Run one verb; never a traceback, and exit codes 0, 1 (the answer is no) and 2 (wrong use)."""
    try:
        with plainly():
            code = waypost.main(standalone_mode=False, prog_name="waypost")
    except click.exceptions.Abort:
        code = 130
    except click.ClickException as error:
        _complain(error.format_message())
        code = 2
    except WaypostError as error:
        _complain(str(error))
        code = 2 if isinstance(error, WrongUse) else 1
    except BrokenPipeError:
        sys.stderr.close()
        code = 1
    except Exception as error:  # noqa: BLE001 - the last door: a sentence, and the rest in a file
        _complain(_unexpected(error))
        code = 1
    sys.exit(code or 0)


def _complain(sentence: str) -> None:
    click.echo(f"waypost: {sentence}", err=True)


def _unexpected(error: Exception) -> str:
    if os.environ.get("WAYPOST_DEBUG") == "1":
        traceback.print_exc()
    path = Path(os.environ.get("WAYPOST_DATA", ".waypost")) / "crash.log"
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        path.write_text(traceback.format_exc())
    except OSError:
        return f"Something unexpected went wrong: {type(error).__name__}. Set WAYPOST_DEBUG=1."
    return f"Something unexpected went wrong: {type(error).__name__}. The details are in {path}."


def _stored(verb: Verb) -> Verb:
    """The options that say where the store is."""
    for option in (
        click.option("--database-url", help="A Postgres of your own instead of the embedded one."),
        click.option(
            "--data", type=click.Path(path_type=Path), help="Data folder (default ./.waypost)."
        ),
    ):
        verb = option(verb)
    return verb


def _settings(data: Path | None, database_url: str | None, **more: object) -> Settings:
    return Settings.read().replace(data=data, database_url=database_url, **more)


def _actor() -> Actor:
    return Actor(os.environ.get("USER") or f"uid {os.getuid()}", "command line")


def _print_json(value: object) -> None:
    click.echo(orjson.dumps(value, option=orjson.OPT_INDENT_2).decode())


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="waypost")
def waypost() -> None:
    """Which cohort of your agent is failing, since when, why, and which step went wrong first."""


@waypost.command()
@_stored
@click.option("--otlp-http", type=int, help="Port of OTLP/HTTP (default 4318).")
@click.option("--otlp-grpc", type=int, help="Port of OTLP/gRPC (default 4317).")
@click.option("--ui", type=int, help="Port of the dashboard (default 8501).")
@click.option("--host", help="Address to listen on (default 127.0.0.1).")
@click.option("--workers", type=click.IntRange(0, 64), help="Worker processes (default 1).")
@click.option("--no-ui", is_flag=True, help="Run without the dashboard.")
@click.option("--demo", is_flag=True, help="Send the demo's trajectories once it is up.")
def up(data: Path | None, database_url: str | None, no_ui: bool, demo: bool, **ports: Any) -> None:
    """Start everything: Postgres, collector, worker and dashboard, until Ctrl-C."""
    from waypost.up import up as run

    settings = _settings(data, database_url, **ports)
    run(settings, with_ui=not no_ui, demo=demo, say=click.echo)


@waypost.command()
@_stored
def collect(data: Path | None, database_url: str | None) -> None:
    """Run one collector against the store."""
    from collector.run import serve
    from waypost.supervisor import end_with_parent

    end_with_parent()
    serve(_settings(data, database_url))


@waypost.command()
@_stored
def work(data: Path | None, database_url: str | None) -> None:
    """Run one worker against the store."""
    from evaluators.run import work as run
    from waypost.supervisor import end_with_parent

    end_with_parent()
    run(_settings(data, database_url))


@waypost.command()
@_stored
def ui(data: Path | None, database_url: str | None) -> None:
    """Run the dashboard against the store."""
    from ui.run import serve
    from waypost.supervisor import end_with_parent

    end_with_parent()
    serve(_settings(data, database_url))


@waypost.command()
@_stored
@click.option("--endpoint", help="Where the collector listens (default this installation's).")
@click.option("--key", "project_key", help="API key, where the collector asks for one.")
@click.option("--count", type=click.IntRange(1, 20_000), default=480, show_default=True)
@click.option("--seed", type=int, default=15, show_default=True)
@click.option("--once", is_flag=True, help="Do nothing if the demo's runs are there already.")
def demo(
    *,
    data: Path | None,
    database_url: str | None,
    endpoint: str | None,
    project_key: str | None,
    count: int,
    seed: int,
    once: bool,
) -> None:
    """Send two days of a benefits assistant's runs, with two failing cohorts planted in them."""
    from waypost.demo.verb import demo as run

    settings = _settings(data, database_url)
    run(settings, endpoint, key=project_key, count=count, seed=seed, once=once)


@waypost.command()
@_stored
@click.option("--project", default=projects.DEFAULT, show_default=True)
@click.option("--evaluator", "names", multiple=True, help="Only this one; repeat. All without.")
@click.option("--since", type=click.DateTime(), help="From this time, UTC (default a day ago).")
@click.option("--until", type=click.DateTime(), help="To this time, UTC (default now).")
@click.option("--agent", help="Only runs of this agent.")
@click.option("--session", help="Only runs of this session.")
@click.option("--tool", help="Only runs that used this tool.")
@click.option("--failed", is_flag=True, help="Only runs with a failure.")
@click.option("--force", is_flag=True, help="Also where this version has judged already.")
@click.option("--count", "only_count", is_flag=True, help="Say how much it is, and do nothing.")
@click.option("--yes", is_flag=True, help="Do not ask before model judges cost money.")
@click.option("--json", "as_json", is_flag=True, help="Answer as JSON.")
def evaluate(
    *,
    data: Path | None,
    database_url: str | None,
    since: dt.datetime | None,
    until: dt.datetime | None,
    failed: bool,
    yes: bool,
    as_json: bool,
    **wanted: Any,
) -> None:
    """Judge stored runs again, over a filter and a period."""
    from evaluators.verb import Request
    from evaluators.verb import evaluate as run

    request = Request(
        **wanted,
        since=since and since.replace(tzinfo=dt.UTC),
        until=until and until.replace(tzinfo=dt.UTC),
        failed=True if failed else None,
    )
    done = run(
        _settings(data, database_url),
        request,
        confirm=None if yes else lambda question: click.confirm(question, err=True),
        say=lambda text: click.echo(text, err=as_json),
    )
    if as_json:
        _print_json(done)


@waypost.command()
@_stored
@click.option("--project", default=projects.DEFAULT, show_default=True)
@click.option("--days", type=click.IntRange(1, 3650), default=1, show_default=True)
def reread(data: Path | None, database_url: str | None, project: str, days: int) -> None:
    """Read the stored spans of the last days again, with today's conventions."""
    from collector.reread_verb import reread as run

    run(_settings(data, database_url), project, days=days, say=click.echo)


@waypost.command(name="migrate")
@_stored
def migrate_verb(data: Path | None, database_url: str | None) -> None:
    """Bring the schema up to date."""
    with store(_settings(data, database_url), checked=False) as engine:
        changed = migrate.migrate(engine)
        partitions.ensure_ahead(engine, dt.datetime.now(dt.UTC).date())
    said = "is now at" if changed else "was already at"
    click.echo(f"The schema {said} {migrate.head()}.")


@waypost.command()
@_stored
@click.option("--json", "as_json", is_flag=True, help="Answer as JSON.")
def doctor(data: Path | None, database_url: str | None, as_json: bool) -> int:
    """Say what is wrong with this installation and how to mend it."""
    from waypost.doctor import examine

    findings = examine(_settings(data, database_url))
    if as_json:
        _print_json([asdict(f) for f in findings])
    else:
        for found in findings:
            mark = "✓" if found.fine else "✕"
            click.echo(f"{mark} {found.check:<15} {found.said}")
            if not found.fine:
                click.echo(f"  {'':<15} {found.mend}")
    return 0 if all(f.fine for f in findings) else 1


@waypost.command()
@_stored
@click.option("--project", default=projects.DEFAULT, show_default=True)
@click.option("--days", type=int, help="Keep this many days from now on.")
@click.option("--json", "as_json", is_flag=True, help="Answer as JSON.")
def retain(
    data: Path | None, database_url: str | None, project: str, days: int | None, as_json: bool
) -> None:  # fmt: skip
    """Show how long a project's data is kept, or set it."""
    with store(_settings(data, database_url)) as engine, engine.begin() as connection:
        known = projects.named(connection, project)
        if days is not None:
            known = projects.change(connection, known.id, by=_actor(), keep_days=days)
        kept = retention.kept(connection, known.id)
    if as_json:
        _print_json({"project": known.name, "keep_days": known.keep_days, **asdict(kept)})
        return
    click.echo(f"Project {known.name} keeps {known.keep_days} days.")
    if kept.first is not None:
        span = f"{kept.days} days, {kept.first} to {kept.last}"
        click.echo(f"Stored now: {span}; {kept.bytes / (1 << 20):.1f} MiB in all projects.")


@waypost.group()
def project() -> None:
    """Make and list projects."""


@project.command(name="list")
@_stored
@click.option("--json", "as_json", is_flag=True, help="Answer as JSON.")
def project_list(data: Path | None, database_url: str | None, as_json: bool) -> None:
    """List the projects."""
    with store(_settings(data, database_url)) as engine, engine.connect() as connection:
        known = projects.every(connection)
    if as_json:
        _print_json([asdict(p) for p in known])
        return
    for one in known:
        keys_shown = ", ".join(one.cohort_keys)
        click.echo(f"{one.name:<24} masking {one.masking}, {one.keep_days} days, by {keys_shown}")


@project.command(name="create")
@_stored
@click.argument("name")
def project_create(data: Path | None, database_url: str | None, name: str) -> None:
    """Make a project."""
    with store(_settings(data, database_url)) as engine, engine.begin() as connection:
        projects.create(connection, name, by=_actor())
    click.echo(f"Project {name} is there; `waypost key create --project {name}` makes its key.")


@project.command(name="change")
@_stored
@click.argument("name")
@click.option("--masking", type=click.Choice(projects.MASKING), help="What is masked on arrival.")
@click.option("--cohort-keys", help="Cohort keys, separated by commas.")
def project_change(
    data: Path | None,
    database_url: str | None,
    name: str,
    masking: str | None,
    cohort_keys: str | None,
) -> None:
    """Change a project's masking or cohort keys."""
    wanted = None if cohort_keys is None else [k.strip() for k in cohort_keys.split(",")]
    with store(_settings(data, database_url)) as engine, engine.begin() as connection:
        known = projects.named(connection, name)
        projects.change(connection, known.id, by=_actor(), masking=masking, cohort_keys=wanted)
    click.echo(f"Project {name} is changed.")


@waypost.group()
def key() -> None:
    """Make, list and revoke API keys."""


@key.command(name="create")
@_stored
@click.option("--project", default=projects.DEFAULT, show_default=True)
@click.option("--name", default="key", show_default=True, help="What the key is for.")
@click.option("--scope", "scopes", multiple=True, help="write (default), read or admin; repeat.")
@click.option("--days", type=click.IntRange(1, 3650), help="Days until it expires.")
def key_create(
    *,
    data: Path | None,
    database_url: str | None,
    project: str,
    name: str,
    scopes: tuple[str, ...],
    days: int | None,
) -> None:
    """Make a key; it is shown once."""
    ends = None if days is None else dt.datetime.now(dt.UTC) + dt.timedelta(days=days)
    with store(_settings(data, database_url)) as engine, engine.begin() as connection:
        known = projects.named(connection, project)
        _, secret = keys.create(
            connection, known.id, name, by=_actor(), scopes=scopes or ("write",), expires_at=ends
        )
    click.echo(secret)
    click.echo("Keep it: it is stored only as a hash and cannot be shown again.", err=True)


@key.command(name="list")
@_stored
@click.option("--project", default=projects.DEFAULT, show_default=True)
@click.option("--json", "as_json", is_flag=True, help="Answer as JSON.")
def key_list(data: Path | None, database_url: str | None, project: str, as_json: bool) -> None:
    """List a project's keys."""
    with store(_settings(data, database_url)) as engine, engine.connect() as connection:
        known = keys.every(connection, projects.named(connection, project).id)
    if as_json:
        _print_json([asdict(k) for k in known])
        return
    now = dt.datetime.now(dt.UTC)
    for one in known:
        state = "good" if any(one.holds(s, now) for s in one.scopes) else "ended"
        scopes = ",".join(one.scopes)
        click.echo(f"{one.id:>5}  {one.hint}…  {one.name:<20} {scopes:<18} {state}")


@key.command(name="revoke")
@_stored
@click.option("--project", default=projects.DEFAULT, show_default=True)
@click.argument("key_id", type=int)
def key_revoke(data: Path | None, database_url: str | None, project: str, key_id: int) -> None:
    """Revoke a key, at once and for good."""
    with store(_settings(data, database_url)) as engine, engine.begin() as connection:
        known = projects.named(connection, project)
        keys.revoke(connection, known.id, key_id, by=_actor())
    click.echo(f"Key {key_id} is revoked.")


@waypost.group()
def alerts() -> None:
    """List, test, preview and export alert rules."""


_of_project = click.option("--project", default=projects.DEFAULT, show_default=True)


@alerts.command(name="list")
@_stored
@_of_project
@click.option("--json", "as_json", is_flag=True, help="Answer as JSON.")
def alerts_list(data: Path | None, database_url: str | None, project: str, as_json: bool) -> None:
    """List a project's alert rules and how many incidents are open."""
    from evaluators.alerts import verbs

    with store(_settings(data, database_url)) as engine, engine.connect() as connection:
        known = verbs.every(connection, projects.named(connection, project))
    if as_json:
        _print_json([{**k.rule.body(), "origin": k.origin, "open": k.open} for k in known])
        return
    for one in known:
        by = ", ".join(one.rule.by) or "all together"
        state = f"{one.open} open" if one.open else "quiet"
        click.echo(f"{one.rule.name:<24} {one.rule.subject:<32} by {by:<32} {one.origin}, {state}")


@alerts.command(name="test")
@_stored
@_of_project
@click.argument("name")
def alerts_test(data: Path | None, database_url: str | None, project: str, name: str) -> int:
    """Send a test message through every channel of a rule."""
    from evaluators.alerts import verbs

    settings = _settings(data, database_url)
    with store(settings) as engine, engine.connect() as connection:
        known = projects.named(connection, project)
        rule = verbs.rule_named(connection, known, settings, name)
    faults = verbs.send_test(settings, rule, now=dt.datetime.now(dt.UTC))
    for channel, fault in faults.items():
        click.echo(f"{'✕' if fault else '✓'} {channel:<20} {fault or 'sent'}")
    return 1 if any(faults.values()) else 0


@alerts.command(name="preview")
@_stored
@_of_project
@click.argument("name")
@click.option("--days", type=click.IntRange(1, 365), default=30, show_default=True)
@click.option("--json", "as_json", is_flag=True, help="Answer as JSON.")
def alerts_preview(
    *, data: Path | None, database_url: str | None, project: str, name: str, days: int,
    as_json: bool,
) -> None:  # fmt: skip
    """Say when a rule would have fired on the stored history."""
    from evaluators.alerts import verbs

    settings = _settings(data, database_url)
    with store(settings) as engine, engine.connect() as connection:
        known = projects.named(connection, project)
        rule = verbs.rule_named(connection, known, settings, name)
        found = verbs.preview(connection, known, rule, days=days, now=dt.datetime.now(dt.UTC))
    if as_json:
        _print_json({"fired": found.fired, "turns": [asdict(t) for t in found.turns]})
        return
    for turn in found.turns:
        where = " · ".join(v for v in turn.label if v) or "all"
        click.echo(f"{turn.at:%Y-%m-%d %H:%M} UTC  {'fires' if turn.fired else 'is over'}  {where}")
    times = "time" if found.fired == 1 else "times"
    click.echo(f"Rule {name} would have fired {found.fired} {times} in the last {days} days.")


@alerts.command(name="export")
@_stored
@_of_project
def alerts_export(data: Path | None, database_url: str | None, project: str) -> None:
    """Print a project's rules for Prometheus, over the rates on /metrics."""
    from evaluators.alerts import verbs

    with store(_settings(data, database_url)) as engine, engine.connect() as connection:
        click.echo(verbs.export(connection, projects.named(connection, project)), nl=False)
