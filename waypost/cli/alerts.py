"""Alert rules: listed, tested, previewed on history, exported."""

import datetime as dt
from dataclasses import asdict
from pathlib import Path

import click

from waypost.cli.options import as_json_option, empty, of_project, print_json, settings_of, stored
from waypost.rates import plural
from waypost.store import projects
from waypost.store.opened import store


@click.group()
def alerts() -> None:
    """List, test, preview and export alert rules."""


@alerts.command(name="list")
@stored
@of_project
@as_json_option
def alerts_list(data: Path | None, database_url: str | None, project: str, as_json: bool) -> None:
    """List the rules and their open incidents."""
    from evaluators.alerts import verbs

    with store(settings_of(data, database_url)) as engine, engine.connect() as connection:
        known = verbs.every(connection, projects.named(connection, project))
    if as_json:
        print_json([
            {**(k.rule.body() if k.rule else {"name": k.name}), "origin": k.origin,
             "open": k.open, "fault": k.fault}
            for k in known
        ])  # fmt: skip
        return
    empty(known, "No alert rule is in the store; a worker takes those of WAYPOST_CONFIG.")
    width = max((len(one.name) for one in known), default=0)
    for one in known:
        state = f"{one.open} open" if one.open else "quiet"
        state += f"; it breaks: {one.fault}" if one.fault else ""
        subject = one.rule.subject if one.rule else ""
        by = ("by " + ", ".join(one.rule.by) if one.rule.by else "all together") if one.rule else ""
        click.echo(f"{one.name:<{width}}  {subject:<30}  {by:<34}  {one.origin}, {state}")


@alerts.command(name="test")
@stored
@of_project
@click.argument("name")
def alerts_test(data: Path | None, database_url: str | None, project: str, name: str) -> int:
    """Send a test message through every channel of a rule."""
    from evaluators.alerts import verbs

    settings = settings_of(data, database_url)
    with store(settings) as engine, engine.connect() as connection:
        known = projects.named(connection, project)
        rule = verbs.rule_named(connection, known, settings, name)
    faults = verbs.send_test(settings, rule, now=dt.datetime.now(dt.UTC))
    for channel, fault in faults.items():
        click.echo(f"{'✕' if fault else '✓'} {channel:<20} {fault or 'sent'}")
    return 1 if any(faults.values()) else 0


@alerts.command(name="preview")
@stored
@of_project
@click.argument("name")
@click.option(
    "--days", type=click.IntRange(1, 365), default=30, show_default=True, help="History to look at."
)
@as_json_option
def alerts_preview(
    *, data: Path | None, database_url: str | None, project: str, name: str, days: int,
    as_json: bool,
) -> None:  # fmt: skip
    """Say when a rule would have fired on the stored history."""
    from evaluators.alerts import verbs

    settings = settings_of(data, database_url)
    with store(settings) as engine, engine.connect() as connection:
        known = projects.named(connection, project)
        rule = verbs.rule_named(connection, known, settings, name)
        found = verbs.preview(connection, known, rule, days=days, now=dt.datetime.now(dt.UTC))
    if as_json:
        print_json({"fired": found.fired, "turns": [asdict(t) for t in found.turns]})
        return
    for turn in found.turns:
        where = " · ".join(v for v in turn.label if v) or "all"
        click.echo(f"{turn.at:%Y-%m-%d %H:%M} UTC  {'fires' if turn.fired else 'is over'}  {where}")
    times, span = plural(found.fired, "time"), plural(days, "day")
    click.echo(f"Rule {name} would have fired {times} in the last {span}.")


@alerts.command(name="export")
@stored
@of_project
def alerts_export(data: Path | None, database_url: str | None, project: str) -> None:
    """Print a project's rules for Prometheus.

    They are over the rates that the collector shows on /metrics.
    """
    from evaluators.alerts import verbs

    with store(settings_of(data, database_url)) as engine, engine.connect() as connection:
        click.echo(verbs.export(connection, projects.named(connection, project)), nl=False)
