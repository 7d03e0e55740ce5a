"""Runs out of the store: as a dataset of cases, or as JSON lines."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import IO, Any, Final

import click
import orjson
from click.core import ParameterSource

from waypost.cli.options import (
    TRACE,
    as_json_option,
    empty,
    filter_of,
    filtered,
    of_project,
    one_line,
    person,
    print_json,
    settings_of,
    shown,
    stored,
    sure,
)
from waypost.errors import NotFound, Unreadable, WrongUse
from waypost.rates import plural
from waypost.reading_back import read_object
from waypost.records import Trajectory
from waypost.store import datasets, projects, runs, trials
from waypost.store.engine import Connection
from waypost.store.opened import store


@click.group()
def dataset() -> None:
    """Make, print and delete datasets; record trials."""


@dataset.command(name="list")
@stored
@of_project
@as_json_option
def dataset_list(data: Path | None, database_url: str | None, project: str, as_json: bool) -> None:
    """List a project's datasets."""
    with store(settings_of(data, database_url)) as engine, engine.connect() as connection:
        known = datasets.every(connection, projects.named(connection, project).id)
    if as_json:
        print_json([asdict(one) for one in known])
        return
    empty(known, "No dataset yet; `waypost dataset add NAME --failed` makes one of failed runs.")
    for one in known:
        click.echo(f"{one.name:<32} version {one.version}, {plural(one.cases, 'case')}")


@dataset.command(name="trials")
@stored
@of_project
@as_json_option
@click.argument("name")
def dataset_trials(
    *, data: Path | None, database_url: str | None, project: str, as_json: bool, name: str
) -> None:
    """List a dataset's trials, newest first, with the gate's word."""
    with store(settings_of(data, database_url)) as engine, engine.connect() as connection:
        place = projects.named(connection, project).id
        known = trials.every(connection, place, datasets.named(connection, place, name).id)
    if as_json:
        print_json([asdict(one) for one in known])
        return
    empty(known, f"No trial yet; `waypost replay {name} …` makes one.")
    for one in known:
        ran = f"{one.results:,} of {plural(one.cases, 'case')} of version {one.version}"
        word = "not asked" if one.decision is None else one.decision.word
        click.echo(f"{one_line(one.name):<32} {ran}, gate: {word}")


@dataset.command(name="add")
@stored
@of_project
@filtered
@click.option("--trace", "traces", multiple=True, help="This run, by its trace id; repeat.")
@click.option(
    "--most",
    type=click.IntRange(1, 10_000),
    default=100,
    show_default=True,
    help="Newest runs that are taken.",
)
@click.argument("name")
def dataset_add(
    *, data: Path | None, database_url: str | None, project: str, traces: tuple[str, ...],
    most: int, name: str, **wanted: Any,
) -> None:  # fmt: skip
    """Put runs into a dataset; it is made when it is new.

    The runs are those of a filter, or those whose trace ids are given.
    """
    if traces:
        _refuse_filter([*wanted, "most"])
    with store(settings_of(data, database_url)) as engine, engine.begin() as connection:
        known = projects.named(connection, project)
        found = list(
            named_runs(connection, known, traces)
            if traces
            else runs.chosen(
                connection, known.id, filter_of(**wanted), cohort_keys=known.cohort_keys, most=most
            )
        )
        if not found:
            raise WrongUse(
                f"No run is meant, so dataset {name!r} stays as it is; widen the filter."
            )
        added = datasets.put(connection, known.id, name, found, by=person())
    click.echo(f"{told_new(added, len(found), name)}.")


@dataset.command(name="delete")
@stored
@of_project
@click.option("--yes", is_flag=True, help="Do not ask.")
@click.argument("name")
def dataset_delete(
    *, data: Path | None, database_url: str | None, project: str, yes: bool, name: str
) -> None:
    """Delete a dataset with its cases and trials; the runs stay."""
    with store(settings_of(data, database_url)) as engine, engine.begin() as connection:
        place = projects.named(connection, project).id
        known = datasets.named(connection, place, name)
        holds = f"{plural(known.cases, 'case')} and all its trials"
        sure(f"Dataset {name} will be gone for good with {holds}. Go on?", yes=yes)
        datasets.delete(connection, place, known.id, by=person())
    click.echo(f"Dataset {name} is deleted.")


def _refuse_filter(options: Iterable[str]) -> None:
    """WrongUse when a filter is given beside --trace, which names runs one by one."""
    source = click.get_current_context().get_parameter_source
    given = [f"--{o}" for o in options if source(o) is ParameterSource.COMMANDLINE]
    if given:
        raise WrongUse(
            f"--trace names the runs one by one, and {', '.join(given)} would choose among others; "
            "give one or the other."
        )


def told_new(added: int, of: int, dataset: str) -> str:
    """How many of the runs that were given were not in the dataset before."""
    verb = "was" if of == 1 else "were"
    return f"{added:,} of {plural(of, 'run')} {verb} new to dataset {one_line(dataset)}"


def named_runs(
    connection: Connection, project: projects.Project, traces: tuple[str, ...]
) -> Iterator[Trajectory]:
    """The runs these traces belong to; WrongUse for one that is not there."""
    known = [trace for trace in traces if TRACE.fullmatch(trace)]
    found = runs.load_many(connection, project.id, known, cohort_keys=project.cohort_keys)
    for trace in traces:
        if trace not in found:
            raise WrongUse(
                f"There is no run {trace!r} in project {project.name}; give the 32 hex digits of "
                "its trace id, as its page and `waypost export` show them."
            )
        yield found[trace]


@dataset.command(name="export")
@stored
@of_project
@click.option("--version", "number", type=int, help="This version (default the newest).")
@click.option("--runs", "whole", is_flag=True, help="With the whole run of each case.")
@click.argument("name")
def dataset_export(
    *, data: Path | None, database_url: str | None, project: str, number: int | None, whole: bool,
    name: str,
) -> None:  # fmt: skip
    """Print the cases of a dataset, one JSON object a line."""
    with store(settings_of(data, database_url)) as engine, engine.connect() as connection:
        place = projects.named(connection, project).id
        known = datasets.named(connection, place, name)
        version = datasets.version_of(connection, place, known.id, number)
        for case in datasets.cases(connection, place, known.id, version=version):
            told: dict[str, Any] = {"dataset": name, **asdict(case)}
            if whole:
                told["run"] = datasets.trajectory(
                    connection, place, known.id, case.key, version=version
                )
            _print_line(told)


@dataset.command(name="record")
@stored
@of_project
@click.option("--trial", required=True, help="Name of the trial: a prompt's version, a commit.")
@click.option("--version", "number", type=int, help="This version (default the newest).")
@click.option("--note", default="", help="What is tried, in words.")
@click.argument("name")
@click.argument("file", type=click.File("rb"), metavar="FILE|-")
def dataset_record(
    *, data: Path | None, database_url: str | None, project: str, trial: str, number: int | None,
    note: str, name: str, file: IO[bytes],
) -> None:  # fmt: skip
    """Record a trial that a test suite of your own ran.

    One JSON object a line: key of the case, and trace_id, answer, error and differences as far as
    there are any. A line that does not fit is named, and then nothing is recorded.
    """
    from collector.lines import lines

    settings = settings_of(data, database_url)
    with store(settings) as engine, engine.begin() as connection:
        place = projects.named(connection, project).id
        known = datasets.named(connection, place, name)
        made = trials.begin(
            connection, place, known.id, name=trial, version=number, note=note, by=person()
        )
        for at, line in lines(file, settings.inflated_limit):
            try:
                trials.record(connection, place, made.id, **_result(line), by=person())
            except (Unreadable, NotFound) as error:
                raise WrongUse(f"Line {at}: {error}") from error
        trials.finish(connection, place, made.id, by=person())
        made = trials.named(connection, place, known.id, made.name)
    click.echo(
        f"{made.results:,} of {plural(made.cases, 'case')} recorded, "
        f"{made.errors:,} ended in an error."
    )
    click.echo(f"Next: {asking_the_gate(name, made.name, project)}")


def asking_the_gate(dataset: str, trial: str, project: str) -> str:
    """The command that decides on a trial."""
    return projects.command(project, "gate", dataset, "--trial", trial)


def _result(line: bytes | Exception) -> dict[str, Any]:
    """The result of a case in a line; Unreadable says what does not fit."""
    if isinstance(line, Exception):
        raise line
    try:
        found = read_object(orjson.loads(line), "the line")
    except orjson.JSONDecodeError as error:
        raise Unreadable(f"it is not JSON: {error}.") from error
    found = {k: v for k, v in found.items() if v is not None}
    for entry, value in found.items():
        if entry not in _RESULT:
            raise Unreadable(f"{entry[:60]!r} is unknown; there are {', '.join(_RESULT)}.")
        if not isinstance(value, _RESULT[entry]):
            wanted = "an object" if _RESULT[entry] is dict else "a text"
            raise Unreadable(f"{entry} = {str(value)[:60]!r} must be {wanted}.")
    if not found.get("key"):
        raise Unreadable("it names no case; give the key that `waypost dataset export` prints.")
    trace = found.setdefault("trace_id", None)
    if trace is not None and not TRACE.fullmatch(str(trace)):
        raise Unreadable(f"{str(trace)[:60]!r} is not a trace id, which has 32 hex digits.")
    return found


_RESULT: Final[Mapping[str, type]] = {
    "key": str, "trace_id": str, "answer": str, "error": str, "differences": dict,
}  # fmt: skip


@click.command()
@stored
@of_project
@filtered
@click.option("--most", type=click.IntRange(1), help="No more than this many, the newest.")
def export(
    *, data: Path | None, database_url: str | None, project: str, most: int | None, **wanted: Any
) -> None:  # fmt: skip
    """Print whole runs, one JSON object a line."""
    with store(settings_of(data, database_url)) as engine, engine.connect() as connection:
        known = projects.named(connection, project)
        for run in runs.chosen(
            connection, known.id, filter_of(**wanted), cohort_keys=known.cohort_keys, most=most
        ):
            _print_line(run)


def _print_line(value: object) -> None:
    body = orjson.dumps(value, option=orjson.OPT_NON_STR_KEYS, default=sorted)  # sets have no order
    click.echo(shown(body.decode()))
