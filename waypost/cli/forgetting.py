"""Forgets runs on request, with everything that was made of them."""

from collections.abc import Sequence
from pathlib import Path

import click

from waypost.cli.options import (
    TRACE,
    as_json_option,
    of_project,
    person,
    print_json,
    settings_of,
    stored,
    sure,
)
from waypost.errors import NotFound, WrongUse
from waypost.redact import Redactor
from waypost.store import forgetting, projects, sessions
from waypost.store.engine import Connection
from waypost.store.forgetting import Wanted
from waypost.store.opened import store
from waypost.store.projects import Project


@click.command()
@stored
@of_project
@click.option("--trace", "traces", multiple=True, help="This run, by its trace id; repeat.")
@click.option("--session", "session_ids", multiple=True, help="All runs of this session; repeat.")
@click.option("--user", "users", multiple=True, help="All runs of this user; repeat.")
@click.option("--rewrite", is_flag=True, help="Leave no byte on disk; writing waits meanwhile.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@as_json_option
def forget(  # noqa: PLR0913 - as many options as there are questions
    *,
    data: Path | None,
    database_url: str | None,
    project: str,
    traces: tuple[str, ...],
    session_ids: tuple[str, ...],
    users: tuple[str, ...],
    rewrite: bool,
    yes: bool,
    as_json: bool,
) -> None:
    """Forget runs for good, with all that was made of them.

    Steps, messages, verdicts, reviews, cases of datasets and what trials made of those are deleted;
    counters keep their numbers. An id may be given as the agent sent it, or as a page shows it.
    """
    if not (traces or session_ids or users):
        raise WrongUse("Nothing is named; say whose runs by --user, --session or --trace.")
    for trace in traces:
        if not TRACE.fullmatch(trace):
            raise WrongUse(f"{trace!r} is not a trace id; it has 32 digits 0-9 a-f.")
    with store(settings_of(data, database_url)) as engine:
        with engine.begin() as connection:
            known = projects.named(connection, project)
            wanted = Wanted(
                traces,
                _as_stored(connection, known, session_ids),
                _as_stored(connection, known, users),
            )
            found = forgetting.find(connection, known.id, wanted)
        if found.is_nothing:
            raise NotFound(f"Project {project} holds nothing of it.")
        sure(f"{found} will be gone for good. Go on?", yes=yes)
        touched = forgetting.forget(engine, known.id, found, by=person())
        forgetting.clear(engine, touched, rewritten=rewrite)
    if as_json:
        print_json({"runs": len(found.runs), "steps": found.steps, "cases": len(found.cases)})
    else:
        click.echo(f"{found} forgotten.")


def _as_stored(connection: Connection, project: Project, ids: Sequence[str]) -> tuple[str, ...]:
    """The ids and what masking made of them on arrival, at any level."""
    key = sessions.id_key(sessions.secret(connection), project.id)
    maskers = [Redactor(level, key=key) for level in ("standard", "strict")]
    return tuple({*ids, *(masker.text(one)[0] for masker in maskers for one in ids)})
