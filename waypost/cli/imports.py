"""Runs into the store again, from the lines that leave it."""

import sys
from pathlib import Path
from typing import IO, TYPE_CHECKING

import click

from waypost.cli.datasets import told_new
from waypost.cli.options import of_project, one_line, person, settings_of, stored
from waypost.rates import plural

if TYPE_CHECKING:
    from collector.import_verb import Brought

_SHOWN = 20
_EACH = 100


@click.command(name="import")
@stored
@of_project
@click.option("--to-dataset", help="Put the runs into this dataset instead; it is made when new.")
@click.argument("file", type=click.File("rb"), metavar="FILE|-")
def import_verb(
    *, data: Path | None, database_url: str | None, project: str, to_dataset: str | None,
    file: IO[bytes],
) -> int:  # fmt: skip
    """Take back what was exported.

    The lines of export, or of dataset export --runs, compressed by gzip or not. What is stored
    already stays as it is. A line that does not fit is refused with its number and the reason, and
    the others are stored; it exits 1 then.
    """
    from collector.import_verb import bring

    done = bring(
        settings_of(data, database_url), file, project, by=person(), to_dataset=to_dataset,
        told=_told,
    )  # fmt: skip
    if sys.stderr.isatty():
        click.echo("\r\x1b[K", nl=False, err=True)
    for number, why in done.refused[:_SHOWN]:
        click.echo(one_line(f"line {number:,}: {why}."), err=True)
    if len(done.refused) > _SHOWN:
        click.echo(f"… and {plural(len(done.refused) - _SHOWN, 'more line')} refused.", err=True)
    click.echo(_sentence(done, to_dataset))
    if done.cut_off:
        click.echo(f"waypost: {one_line(done.cut_off)} What came before it is kept.", err=True)
    return 1 if done.refused or done.cut_off else 0


def _told(number: int) -> None:
    """A count that moves on a terminal, a line now and then elsewhere."""
    if sys.stderr.isatty():
        click.echo(f"\r{number:,} lines", nl=False, err=True)
    elif number % _EACH == 0:
        click.echo(f"{number:,} lines read.", err=True)


def _sentence(done: "Brought", to_dataset: str | None) -> str:
    refused = f", {plural(len(done.refused), 'line')} refused" if done.refused else ""
    if to_dataset is not None:
        return f"{told_new(done.cases, done.runs, to_dataset)}{refused}."
    told = f"{plural(done.runs, 'run')} read, {plural(done.spans, 'span')} stored"
    told += f", {done.repeated:,} there already" if done.repeated else ""
    told += f", {plural(done.outside, 'run')} outside the keep-time" if done.outside else ""
    return f"{told}{refused}."
