"""The installation: its schema, its health, how long it keeps."""

import datetime as dt
from dataclasses import asdict
from pathlib import Path

import click

from waypost.cli.options import actor, as_json_option, of_project, print_json, settings_of, stored
from waypost.rates import plural
from waypost.store import migrate, partitions, projects, retention
from waypost.store.opened import store


@click.command(name="migrate")
@stored
def migrate_verb(data: Path | None, database_url: str | None) -> None:
    """Bring the schema up to date."""
    with store(settings_of(data, database_url), checked=False) as engine:
        changed = migrate.migrate(engine)
        partitions.ensure_ahead(engine, dt.datetime.now(dt.UTC).date())
    said = "is now at" if changed else "was already at"
    click.echo(f"The schema {said} {migrate.head()}.")


@click.command()
@stored
@as_json_option
def doctor(data: Path | None, database_url: str | None, as_json: bool) -> int:
    """Say what is wrong with this installation and how to mend it."""
    from waypost.doctor import examine

    findings = examine(settings_of(data, database_url))
    if as_json:
        print_json([asdict(f) for f in findings])
    else:
        for found in findings:
            mark = "✓" if found.fine else "✕"
            click.echo(f"{mark} {found.check:<15} {found.said}")
            if not found.fine:
                click.echo(f"  {'':<15} {found.mend}")
    return 0 if all(f.fine for f in findings) else 1


@click.command()
@stored
@of_project
@click.option("--days", type=int, help="Keep this many days from now on.")
@as_json_option
def retain(
    data: Path | None, database_url: str | None, project: str, days: int | None, as_json: bool
) -> None:  # fmt: skip
    """Show how long a project's data is kept, or set it."""
    with store(settings_of(data, database_url)) as engine, engine.begin() as connection:
        known = projects.named(connection, project)
        if days is not None:
            known = projects.change(connection, known.id, by=actor(), keep_days=days)
        kept = retention.kept(connection, known.id)
    if as_json:
        print_json({"project": known.name, "keep_days": known.keep_days, **asdict(kept)})
        return
    click.echo(f"Project {known.name} keeps {plural(known.keep_days, 'day')}.")
    if kept.first is not None:
        span = f"{plural(kept.days, 'day')}, {kept.first} to {kept.last}"
        click.echo(f"Stored now: {span}; {kept.bytes / (1 << 20):.1f} MiB in all projects.")
