"""The evaluators: how they are doing, and what a project sets for them."""

import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click

from waypost.cli.options import (
    actor,
    as_json_option,
    empty,
    of_project,
    print_json,
    settings_of,
    stored,
)
from waypost.errors import WrongUse
from waypost.rates import percent
from waypost.settings_check import checker
from waypost.store import evaluator_settings, projects
from waypost.store.health import Health
from waypost.store.opened import store

_part = click.option(
    "--part",
    type=click.Choice(evaluator_settings.PARTS),
    default="evaluators",
    show_default=True,
    help="The table it stands in.",
)


_SHOWN = 60


@click.group()
def evaluators() -> None:
    """See how evaluators are doing, and set them for a project."""


@evaluators.command(name="health")
@stored
@of_project
@click.option(
    "--days", type=click.IntRange(1, 365), default=1, show_default=True, help="How far to look."
)
@as_json_option
def health_verb(
    data: Path | None, database_url: str | None, project: str, days: int, as_json: bool
) -> None:
    """Say what each evaluator judged, failed and cost.

    Where it judged nothing it says why. Precision, recall and the corrected fail rate come from
    people's verdicts.
    """
    from evaluators.verb import health

    found = health(settings_of(data, database_url), project, days=days)
    if as_json:
        print_json([one.as_json() for one in found])
        return
    for one in found:
        click.echo(f"{one.name:<24} {_told(one)}")


def _told(one: Health) -> str:
    if not one.matched:
        return one.why or one.paused
    parts = [f"{one.rate} failed"] if one.judged else []
    parts += [f"{one.abstained:,} abstained"] if one.abstained else []
    parts += [f"{one.queued:,} queued"] if one.queued else []
    parts += [f"{one.parked:,} given up"] if one.parked else []
    parts += [f"${one.spent.cost_usd:.4f}"] if one.spent.asked else []
    if one.corrected is not None:
        low, high = percent(one.corrected.low), percent(one.corrected.high)
        parts.append(f"corrected {percent(one.corrected.value)} ({low}–{high})")
    parts += [one.paused] if one.paused else []
    return ", ".join(parts)


@evaluators.command(name="settings")
@stored
@of_project
@as_json_option
def settings_verb(data: Path | None, database_url: str | None, project: str, as_json: bool) -> None:
    """Show what is set for a project: by the file, and by itself."""
    with store(settings_of(data, database_url)) as engine, engine.connect() as connection:
        known = evaluator_settings.every(connection, projects.named(connection, project).id)
    if as_json:
        print_json([{"part": s.part, "name": s.name, "origin": s.origin, **s.body} for s in known])
        return
    empty(known, f"Nothing is set for project {project}, neither by the file nor by itself.")
    width = max((len(f"{one.part}.{one.name}") for one in known), default=0)
    for one in known:
        values = ", ".join(f"{key} = {_short(value)}" for key, value in one.body.items())
        click.echo(f"{f'{one.part}.{one.name}':<{width}}  {one.origin:<5}  {values}")


def _short(value: object) -> str:
    """A value in one line; --json has all of a long one."""
    text = repr(value)
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}…"


@evaluators.command(name="set")
@stored
@of_project
@_part
@click.option(
    "--from", "source", type=click.Path(path_type=Path), help="TOML file that is the table."
)
@click.argument("name")
@click.argument("values", nargs=-1)
def set_verb(
    *,
    data: Path | None,
    database_url: str | None,
    project: str,
    part: str,
    source: Path | None,
    name: str,
    values: tuple[str, ...],
) -> None:
    """Set KEY=VALUE … for one project.

    NAME is an evaluator, a judge or a policy. Values are TOML, as in `sampling=0.1` or
    `parameters.threshold=0.4`; a bare word is a text. They join what the project sets already and
    win over the file. Workers follow within seconds.
    """
    from evaluators.alerts.watch import read

    settings = settings_of(data, database_url)
    with store(settings) as engine, engine.begin() as connection:
        known = projects.named(connection, project)
        own = evaluator_settings.of_origin(evaluator_settings.every(connection, known.id), "store")
        before = own.get(part, {}).get(name, {})
        given = read(source) if source else _parsed(values)
        table = given if source else _merged(before, given)
        evaluator_settings.put(
            connection, known.id, part, name, table, by=actor(), check=checker(settings.plugins)
        )
    click.echo(f"{part}.{name} is set for project {project}.")


@evaluators.command(name="unset")
@stored
@of_project
@_part
@click.argument("name")
def unset_verb(
    data: Path | None, database_url: str | None, project: str, part: str, name: str
) -> None:
    """Take back what a project sets, so that the file holds."""
    settings = settings_of(data, database_url)
    with store(settings) as engine, engine.begin() as connection:
        known = projects.named(connection, project)
        evaluator_settings.remove(
            connection, known.id, part, name, by=actor(), check=checker(settings.plugins)
        )
    click.echo(f"{part}.{name} is no longer set for project {project}.")


def _parsed(values: tuple[str, ...]) -> Mapping[str, Any]:
    """KEY=VALUE pairs as a table; WrongUse for one that is none."""
    if not values:
        raise WrongUse(
            "Nothing is to be set; give KEY=VALUE, such as sampling=0.1, or --from FILE."
        )
    found: dict[str, Any] = {}
    for pair in values:
        key, equals, text = pair.partition("=")
        if not equals or not key.strip():
            raise WrongUse(f"{pair!r} is not KEY=VALUE; write it as in sampling=0.1.")
        found = dict(_merged(found, _one(key.strip(), text)))
    return found


def _one(key: str, text: str) -> Mapping[str, Any]:
    for value in (text, f'"{text}"'):
        try:
            return tomllib.loads(f"{key} = {value}")
        except tomllib.TOMLDecodeError:
            continue
    raise WrongUse(f"{key}={text} is neither a TOML value nor a plain text.")


def _merged(before: Mapping[str, Any], given: Mapping[str, Any]) -> Mapping[str, Any]:
    joined = {**before, **given}
    for key in before.keys() & given.keys():
        if isinstance(before[key], Mapping) and isinstance(given[key], Mapping):
            joined[key] = {**before[key], **given[key]}
    return joined
