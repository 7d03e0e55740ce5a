"""Projects and their API keys."""

import datetime as dt
import shlex
from dataclasses import asdict
from pathlib import Path

import click

from waypost.cli.options import (
    actor,
    as_json_option,
    empty,
    of_project,
    person,
    print_json,
    settings_of,
    stored,
    sure,
)
from waypost.rates import plural
from waypost.store import forgetting, keys, projects
from waypost.store.opened import store


@click.group()
def project() -> None:
    """Make, list, change and delete projects."""


@project.command(name="list")
@stored
@as_json_option
def project_list(data: Path | None, database_url: str | None, as_json: bool) -> None:
    """List the projects."""
    with store(settings_of(data, database_url)) as engine, engine.connect() as connection:
        known = projects.every(connection)
    if as_json:
        print_json([asdict(p) for p in known])
        return
    for one in known:
        keys_shown = ", ".join(one.cohort_keys)
        days = plural(one.keep_days, "day")
        click.echo(f"{one.name:<24} masking {one.masking}, {days}, by {keys_shown}")


@project.command(name="create")
@stored
@click.argument("name")
def project_create(data: Path | None, database_url: str | None, name: str) -> None:
    """Make a project."""
    with store(settings_of(data, database_url)) as engine, engine.begin() as connection:
        projects.create(connection, name, by=actor())
    command = f"waypost key create --project {shlex.quote(name)}"
    click.echo(f"Project {name} is there; `{command}` makes its key.")


@project.command(name="change")
@stored
@click.argument("name")
@click.option("--masking", type=click.Choice(projects.MASKING), help="What is masked on arrival.")
@click.option(
    "--cohort-keys", help="Cohort keys, separated by commas, in place of those there are."
)
def project_change(
    data: Path | None,
    database_url: str | None,
    name: str,
    masking: str | None,
    cohort_keys: str | None,
) -> None:
    """Change a project's masking or cohort keys."""
    wanted = None if cohort_keys is None else [k.strip() for k in cohort_keys.split(",")]
    with store(settings_of(data, database_url)) as engine, engine.begin() as connection:
        known = projects.named(connection, name)
        projects.change(connection, known.id, by=actor(), masking=masking, cohort_keys=wanted)
    click.echo(f"Project {name} is changed.")


@project.command(name="delete")
@stored
@click.argument("name")
@click.option("--yes", is_flag=True, help="Do not ask.")
def project_delete(data: Path | None, database_url: str | None, name: str, yes: bool) -> None:
    """Delete a project with its keys, runs, datasets and alerts."""
    with store(settings_of(data, database_url)) as engine:
        with engine.connect() as connection:
            known = projects.named(connection, name)
        sure(f"Project {name} will be gone for good with all its runs. Go on?", yes=yes)
        forgetting.forget_project(engine, known.id, by=person())
    click.echo(f"Project {name} is deleted.")


@click.group()
def key() -> None:
    """Make, list and revoke API keys."""


@key.command(name="create")
@stored
@of_project
@click.option("--name", default="key", show_default=True, help="What the key is for.")
@click.option(
    "--scope",
    "scopes",
    multiple=True,
    help="write (to send; default), read or admin (REST); repeat.",
)
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
    with store(settings_of(data, database_url)) as engine, engine.begin() as connection:
        known = projects.named(connection, project)
        _, secret = keys.create(
            connection, known.id, name, by=actor(), scopes=scopes or ("write",), expires_at=ends
        )
    click.echo(secret)
    click.echo("Keep it: it is stored only as a hash and cannot be shown again.", err=True)


@key.command(name="list")
@stored
@of_project
@as_json_option
def key_list(data: Path | None, database_url: str | None, project: str, as_json: bool) -> None:
    """List a project's keys."""
    settings = settings_of(data, database_url)
    with store(settings) as engine, engine.connect() as connection:
        known = keys.every(connection, projects.named(connection, project).id)
    if as_json:
        print_json([asdict(k) for k in known])
        return
    need = "sending needs one" if settings.needs_key else "none is needed to send"
    empty(known, f"Project {project} has no key; {need} here.")
    now = dt.datetime.now(dt.UTC)
    for one in known:
        state = "good" if any(one.holds(s, now) for s in one.scopes) else "ended"
        scopes = ",".join(one.scopes)
        click.echo(f"{one.id:>5}  {one.hint}…  {one.name:<20} {scopes:<18} {state}")


@key.command(name="revoke")
@stored
@of_project
@click.argument("key_id", type=int)
def key_revoke(data: Path | None, database_url: str | None, project: str, key_id: int) -> None:
    """Revoke a key, at once and for good."""
    with store(settings_of(data, database_url)) as engine, engine.begin() as connection:
        known = projects.named(connection, project)
        keys.revoke(connection, known.id, key_id, by=actor())
    click.echo(f"Key {key_id} is revoked.")
