"""What the verbs share: where the store is, who acts, and how an answer is printed."""

import datetime as dt
import json
import os
import re
import sys
from collections.abc import Callable, Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any, Final, TypeVar

import click
import orjson

from waypost import running
from waypost.errors import NotAllowed, WrongUse
from waypost.roles import Person, Role
from waypost.settings import Settings
from waypost.store.audit import Actor
from waypost.store.projects import DEFAULT
from waypost.store.traces import Filter

Verb = TypeVar("Verb", bound=Callable[..., Any])

of_project: Final = click.option(
    "--project", default=DEFAULT, show_default=True, help="Name of the project."
)
as_json_option: Final = click.option("--json", "as_json", is_flag=True, help="Answer as JSON.")

_PORT: Final = click.IntRange(1, 65_535)
TRACE: Final = re.compile("[0-9a-f]{32}")


def stored(verb: Verb) -> Verb:
    """The options that say where the store is."""
    for option in (
        click.option("--database-url", help="A Postgres of your own instead of the embedded one."),
        click.option(
            "--data",
            type=click.Path(path_type=Path),
            callback=_noted,
            help="Data folder (default ./.waypost).",
        ),
    ):
        verb = option(verb)
    return verb


def _noted(context: click.Context, _: click.Parameter, folder: Path | None) -> Path | None:
    """Leave the folder with whoever runs the verb, for the log of a crash."""
    if folder is not None and context.obj is not None:
        context.obj["data"] = folder
    return folder


def listening(*ports: str) -> Callable[[Verb], Verb]:
    """The options that say where a process listens."""
    said = {"otlp_http": "OTLP/HTTP", "otlp_grpc": "OTLP/gRPC", "ui": "the dashboard"}
    defaults = {f.name: f.default for f in fields(Settings)}

    def add(verb: Verb) -> Verb:
        option = click.option("--host", help=f"Address to listen on (default {defaults['host']}).")
        verb = option(verb)
        for port in reversed(ports):
            sentence = f"Port of {said[port]} (default {defaults[port]})."
            verb = click.option(f"--{port.replace('_', '-')}", port, type=_PORT, help=sentence)(
                verb
            )
        return verb

    return add


def filtered(verb: Verb) -> Verb:
    """The options that say which runs are meant; `filter_of` makes a filter of them."""
    for option in (
        click.option("--failed", is_flag=True, help="Only runs with a failure."),
        click.option("--tool", help="Only runs that used this tool."),
        click.option("--session", help="Only runs of this session."),
        click.option("--agent", help="Only runs of this agent."),
        click.option("--until", type=click.DateTime(), help="To this time, UTC (default now)."),
        click.option(
            "--since", type=click.DateTime(), help="From this time, UTC (default a day ago)."
        ),
    ):
        verb = option(verb)
    return verb


def filter_of(
    *,
    since: dt.datetime | None,
    until: dt.datetime | None,
    agent: str | None,
    session: str | None,
    tool: str | None,
    failed: bool,
) -> Filter:
    """The runs meant, of the last day unless told otherwise; WrongUse for an empty period."""
    end = until.replace(tzinfo=dt.UTC) if until else dt.datetime.now(dt.UTC)
    begin = since.replace(tzinfo=dt.UTC) if since else end - dt.timedelta(days=1)
    if begin >= end:
        raise WrongUse(
            f"The period from {begin:%Y-%m-%d %H:%M} to {end:%Y-%m-%d %H:%M} UTC is empty; give an "
            "earlier --since."
        )
    return Filter(
        begin, end, agent=agent, session=session, tool=tool, failed=True if failed else None
    )


def settings_of(data: Path | None, database_url: str | None, **more: object) -> Settings:
    """The settings of a verb: its options, the environment, what runs in the folder, defaults."""
    given = Settings.read().replace(data=data, database_url=database_url)
    if not given.database_url:
        there = running.found(given.data)
        there = {k: v for k, v in there.items() if f"{k}_FILE" not in os.environ}
        given = Settings.read({**there, **os.environ})
    return given.replace(data=data, database_url=database_url, **more)


def actor() -> Actor:
    return Actor(os.environ.get("USER") or f"uid {os.getuid()}", "command line")


def person() -> Person:
    """Who acts, with every right: whoever reaches the database has them all."""
    acting = actor()
    return Person(acting.name, Role.ADMIN, acting.origin)


def sure(question: str, *, yes: bool) -> None:
    """Ask before what cannot be undone; WrongUse where nobody can answer."""
    if yes:
        return
    if not sys.stdin.isatty():
        raise WrongUse(f"{question} Add --yes.")
    if not click.confirm(question, err=True):
        raise NotAllowed("Nothing was deleted.")


def print_json(value: object) -> None:
    click.echo(shown(orjson.dumps(value, option=orjson.OPT_INDENT_2).decode()))


def shown(text: str) -> str:
    """JSON for where it goes: what moves or hides text on a terminal is escaped there."""
    if not sys.stdout.isatty():
        return text
    return "".join(c if c.isprintable() or c == "\n" else json.dumps(c)[1:-1] for c in text)


def empty(found: Sequence[object], sentence: str) -> None:
    """Say why a list is empty, beside what a program reads."""
    if not found:
        click.echo(sentence, err=True)


def one_line(text: str) -> str:
    """A text that a trace or a person brought, without what moves the cursor of a terminal."""
    return " ".join("".join(c if c.isprintable() else " " for c in text).split())
