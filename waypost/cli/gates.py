"""The release gate: yes, no, or how many cases are missing."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from waypost.cli.options import (
    as_json_option,
    of_project,
    one_line,
    person,
    print_json,
    settings_of,
    stored,
)
from waypost.rates import plural

if TYPE_CHECKING:
    from evaluators.gate import Decided, Told

_MARKS = {"yes": "✓ yes", "no": "✕ no", "unknown": "? cannot know"}
_MOST = 50


@click.command()
@stored
@of_project
@click.option("--trial", required=True, help="Name of the trial that is judged.")
@click.option(
    "--condition",
    "conditions",
    multiple=True,
    help='What is asked, such as "groundedness fails <= 5%"; repeat. Beside those of the file.',
)
@click.option("--baseline", help="Name of the trial it is compared with, over the same cases.")
@click.option(
    "--wait",
    type=click.FloatRange(0, 86_400),
    default=300,
    show_default=True,
    help="Seconds to wait until the runs are judged.",
)
@as_json_option
@click.argument("name", metavar="DATASET")
def gate(
    *, data: Path | None, database_url: str | None, project: str, name: str, as_json: bool,
    **asked: Any,
) -> int:  # fmt: skip
    """Say whether a trial of a dataset may be released.

    The answer is yes, no, or that it cannot be known and how many cases are missing. Conditions
    come from [[gates]] of waypost.toml and from --condition. It exits 0 only for a yes.
    """
    from evaluators.gate import Request
    from evaluators.gate import gate as decide

    request = Request(name, project=project, **asked)
    with _waiting() as told:
        done = decide(settings_of(data, database_url), request, by=person(), told=told)
    if as_json:
        print_json(done.as_json())
    else:
        for line in _lines(done):
            click.echo(line)
    return 0 if done.verdict.word == "yes" else 1


@contextmanager
def _waiting() -> Iterator["Told"]:
    """Shows how many runs are judged: a bar on a terminal, a line at each change elsewhere."""
    if not sys.stderr.isatty():
        yield _Lines()
        return
    with click.progressbar(length=1, label="Judged", file=sys.stderr) as bar:

        def told(judged: int, of: int) -> None:
            bar.length = max(of, 1)
            bar.update(judged - bar.pos)

        yield told


class _Lines:
    """Says how far it is whenever that has changed."""

    def __init__(self) -> None:
        self._said = -1

    def __call__(self, judged: int, of: int) -> None:
        if judged != self._said:
            click.echo(f"{judged:,} of {plural(of, 'case')} judged.", err=True)
            self._said = judged


def _lines(done: "Decided") -> Iterator[str]:
    yield one_line(done.verdict.sentence)
    if done.trial.finished_at is None:
        ran = f"{done.trial.results:,} of {plural(done.trial.cases, 'case')}"
        yield f"The trial is not finished: {ran} ran."
    if done.unjudged:
        waiting = plural(done.unjudged, "run")
        yield f"{waiting} not judged in time; is a worker running? A longer --wait may tell."
    # A single condition that is not met is what the first line says already.
    repeats = len(done.verdict.judged) == 1 and done.verdict.word != "yes"
    for one in done.verdict.judged:
        if not repeats:
            yield one_line(f"{_MARKS[one.word]}: {one.sentence}")
        if one.compared is not None and one.compared.regressed:
            keys = [f"{key[:12]} {done.cases[key].title[:60]}" for key in one.compared.regressed]
            yield "  fail only now: " + one_line(", ".join(keys[:_MOST]))
    failing = done.verdict.failing
    if failing:
        yield f"{plural(len(failing), 'case')} failed:"
    for key, why in list(failing.items())[:_MOST]:
        case = done.cases[key]
        yield one_line(f"✕ {key[:12]} {case.title[:80]}: {', '.join(why)}")
        if case.trace_id:
            yield f"  {done.links[key]}"
    if len(failing) > _MOST:
        yield f"… and {plural(len(failing) - _MOST, 'more case')}; --json has all of them."
