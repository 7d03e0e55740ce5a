"""Stored runs again: judged by today's evaluators, read by today's conventions."""

from pathlib import Path
from typing import Any

import click

from waypost.cli.options import (
    as_json_option,
    filter_of,
    filtered,
    of_project,
    print_json,
    settings_of,
    stored,
)


@click.command()
@stored
@of_project
@click.option(
    "--evaluator", "names", multiple=True, help="Only this evaluator; repeat. Without, all."
)
@filtered
@click.option("--force", is_flag=True, help="Also where this version has judged already.")
@click.option("--count", "only_count", is_flag=True, help="Say how much it is, and do nothing.")
@click.option("--yes", is_flag=True, help="Do not ask before model judges cost money.")
@as_json_option
def evaluate(
    *,
    data: Path | None,
    database_url: str | None,
    project: str,
    names: tuple[str, ...],
    force: bool,
    only_count: bool,
    yes: bool,
    as_json: bool,
    **wanted: Any,
) -> None:
    """Judge stored runs again.

    Says first how much it is and what model judges would cost. What a version has judged already
    is skipped, so that a call that was stopped goes on where it was.
    """
    from evaluators.verb import Request
    from evaluators.verb import evaluate as run

    request = Request(
        filter_of(**wanted), project=project, names=names, force=force, only_count=only_count
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
@click.option(
    "--days",
    type=click.IntRange(1, 3650),
    default=1,
    show_default=True,
    help="Spans of the last so many days.",
)
def reread(data: Path | None, database_url: str | None, project: str, days: int) -> None:
    """Read stored spans again by today's conventions.

    A convention is how a client writes its spans; a newer Waypost may know more of them.
    """
    from collector.reread_verb import reread as run

    run(settings_of(data, database_url), project, days=days, say=click.echo)
