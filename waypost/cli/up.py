"""Everything at once, each process alone, and the demo."""

from pathlib import Path
from typing import Any

import click

from waypost.cli.options import listening, settings_of, stored


@click.command()
@stored
@listening("otlp_http", "otlp_grpc", "ui")
@click.option("--workers", type=click.IntRange(0, 64), help="Worker processes (default 1).")
@click.option("--no-ui", is_flag=True, help="Run without the dashboard.")
@click.option("--demo", is_flag=True, help="Send the demo's runs once it is up.")
def up(data: Path | None, database_url: str | None, no_ui: bool, demo: bool, **ports: Any) -> None:
    """Start everything, until Ctrl-C.

    Postgres, collector, worker and dashboard in one process group; their addresses are printed.
    """
    from waypost.up import up as run

    settings = settings_of(data, database_url, **ports)
    run(settings, with_ui=not no_ui, demo=demo, say=click.echo)


@click.command()
@stored
@listening("otlp_http", "otlp_grpc")
def collect(data: Path | None, database_url: str | None, **ports: Any) -> None:
    """Run one collector against the store.

    It takes runs over OTLP, and answers REST on the same port.
    """
    from collector.run import serve
    from waypost.supervisor import end_with_parent

    end_with_parent()
    serve(settings_of(data, database_url, **ports))


@click.command()
@stored
def work(data: Path | None, database_url: str | None) -> None:
    """Run one worker against the store.

    It judges what arrived, watches the alert rules and sends their messages.
    """
    from evaluators.run import work as run
    from waypost.supervisor import end_with_parent

    end_with_parent()
    run(settings_of(data, database_url))


@click.command()
@stored
@listening("ui")
def ui(data: Path | None, database_url: str | None, **ports: Any) -> None:
    """Run the dashboard against the store."""
    from ui.run import serve
    from waypost.supervisor import end_with_parent

    end_with_parent()
    serve(settings_of(data, database_url, **ports))


@click.command()
@stored
@click.option("--endpoint", help="Where the collector listens (default this installation's).")
@click.option("--key", "project_key", help="API key, where the collector asks for one.")
@click.option(
    "--count", type=click.IntRange(1, 20_000), default=480, show_default=True, help="Runs."
)
@click.option("--seed", type=int, default=15, show_default=True, help="Same seed, same runs.")
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
    """Send two days of runs to look at.

    A benefits assistant, a real LangChain agent whose model follows a script, answers and errs;
    two failing cohorts are planted. Needs no key of any model.
    """
    from waypost.demo.verb import demo as run

    settings = settings_of(data, database_url)
    run(settings, endpoint, key=project_key, count=count, seed=seed, once=once)
