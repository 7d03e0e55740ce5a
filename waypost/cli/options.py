"""What the verbs share: where the store is, who acts, and how an answer is printed."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final, TypeVar

import click
import orjson

from waypost.settings import Settings
from waypost.store.audit import Actor
from waypost.store.projects import DEFAULT

Verb = TypeVar("Verb", bound=Callable[..., Any])

of_project: Final = click.option(
    "--project", default=DEFAULT, show_default=True, help="Name of the project."
)
as_json_option: Final = click.option("--json", "as_json", is_flag=True, help="Answer as JSON.")


def stored(verb: Verb) -> Verb:
    """The options that say where the store is."""
    for option in (
        click.option("--database-url", help="A Postgres of your own instead of the embedded one."),
        click.option(
            "--data", type=click.Path(path_type=Path), help="Data folder (default ./.waypost)."
        ),
    ):
        verb = option(verb)
    return verb


def settings_of(data: Path | None, database_url: str | None, **more: object) -> Settings:
    return Settings.read().replace(data=data, database_url=database_url, **more)


def actor() -> Actor:
    return Actor(os.environ.get("USER") or f"uid {os.getuid()}", "command line")


def print_json(value: object) -> None:
    click.echo(orjson.dumps(value, option=orjson.OPT_INDENT_2).decode())
