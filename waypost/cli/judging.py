"""Stored runs again: judged by today's evaluators, read by today's conventions."""

import datetime as dt
from pathlib import Path
from typing import Any

import click

from waypost.cli.options import as_json_option, of_project, print_json, settings_of, stored


@click.command()
@stored
@of_project
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
@as_json_option
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
        settings_of(data, database_url),
        request,
        confirm=None if yes else lambda question: click.confirm(question, err=True),
        say=lambda text: click.echo(text, err=as_json),
    )
    if as_json:
        print_json(done)


@click.command()
@stored
@of_project
@click.option("--days", type=click.IntRange(1, 3650), default=1, show_default=True)
def reread(data: Path | None, database_url: str | None, project: str, days: int) -> None:
    """Read the stored spans of the last days again, with today's conventions."""
    from collector.reread_verb import reread as run

    run(settings_of(data, database_url), project, days=days, say=click.echo)
