"""`waypost replay`: a candidate of an agent tried on recorded runs, without touching the world."""

import datetime as dt
import os
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any, Final, NamedTuple

import click

from waypost.cli import candidates
from waypost.cli.candidates import Outcome, Way
from waypost.cli.datasets import asking_the_gate, named_runs
from waypost.cli.options import (
    as_json_option,
    of_project,
    one_line,
    person,
    print_json,
    settings_of,
    stored,
)
from waypost.errors import WaypostError, WrongUse
from waypost.links import step_link
from waypost.rates import plural
from waypost.records import Trajectory
from waypost.settings import Settings
from waypost.store import datasets, projects, trials
from waypost.store.engine import Connection, Engine
from waypost.store.opened import store

_ENDPOINTS: Final = ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT")
_SHOWN: Final = 80
_WORDS: Final = {"own_code": "ran their own code"}


class Task(NamedTuple):
    """One case that is to be run."""

    key: str
    title: str
    recorded: Callable[[Connection], Trajectory]


class Asked(NamedTuple):
    """What is to be run: the cases of a dataset, or one run."""

    dataset: str | None
    trace: str | None
    trial: str | None
    number: int | None
    keys: tuple[str, ...]

    def checked(self) -> "Asked":
        """The same; WrongUse where it contradicts itself."""
        if bool(self.dataset) == bool(self.trace):
            raise WrongUse("Name a DATASET, or one run with --trace ID; not both.")
        if self.trace and (self.trial or self.number or self.keys):
            raise WrongUse("--trial, --version and --case are for a dataset; --trace runs one run.")
        return self


class Trial(NamedTuple):
    """Where results are kept: the dataset of a project, and the trial in it."""

    project: str
    dataset: str
    dataset_id: int
    id: int
    name: str
    version: int


@click.command()
@stored
@of_project
@click.option("--agent", required=True, help="The candidate, as module:name.")
@click.option("--trial", help="Name of the trial, such as v16 or a commit (default the time).")
@click.option("--version", "number", type=int, help="Version of the dataset (default the newest).")
@click.option("--case", "keys", multiple=True, help="This case only, by its key; repeat.")
@click.option("--trace", help="This run instead of a dataset, by its trace id.")
@click.option(
    "--models",
    type=click.Choice(["live", "recorded"]),
    default="live",
    show_default=True,
    help="Whether models really run, or answer as recorded.",
)
@click.option(
    "--on-miss",
    type=click.Choice(["error", "live"]),
    default="error",
    show_default=True,
    help="What a call gets that the recording does not hold.",
)
@click.option("--live", multiple=True, help="Tool that really runs; repeat.")
@click.option(
    "--answered", multiple=True, help="Tool that never runs, models below it or not; repeat."
)
@click.option("--async", "awaited", is_flag=True, help="Await the agent (`ainvoke`).")
@click.option("--endpoint", help="Where the collector listens (default OTEL_*, or this one's).")
@click.option("--key", "project_key", help="API key, where the collector asks for one.")
@as_json_option
@click.argument("dataset", required=False)
def replay(
    *, data: Path | None, database_url: str | None, project: str, agent: str, as_json: bool,
    endpoint: str | None, project_key: str | None, **more: Any,
) -> int:  # fmt: skip
    """Run your changed agent on recorded runs.

    Its tools answer as recorded and do not run, save those in --live, and those that called
    models or tools themselves: these run their own code, which is counted, unless they are in
    --answered. What the agent's nodes and middleware do by themselves really happens. A LangChain
    or LangGraph object gets `{"messages": […]}`, a function the user's text; one without
    parameters makes the agent. The new runs are recorded and kept with the trial. It exits 1 when
    a case could not be run, or differed with --models recorded.
    """
    asked = Asked(**{name: more.pop(name) for name in Asked._fields}).checked()
    settings = settings_of(data, database_url)
    with store(settings) as engine:
        place = _place(engine, project)
        if asked.dataset:
            tasks, known = _cases(engine, place, asked)
        else:
            tasks, known = [_run(engine, place, asked.trace or "")], None
        candidate = candidates.load(agent)
        with _recorded(settings, endpoint, project_key) as arrive:
            kept = known and _begin(engine, place, known, asked.trial or _now())
            if kept:
                tasks = _left(engine, place, kept, tasks)
            way = Way(trial=kept.name if kept else None, **more)

            def one(task: Task, recorded: Trajectory) -> Outcome:
                outcome = candidates.run(candidate, task.key, task.title, recorded, way)
                arrive()  # before its result is kept: a result without its run is never judged
                return outcome

            done = _all(engine, place, one, tasks, trial=kept, quiet=as_json)
        if kept:
            with engine.begin() as connection:
                trials.finish(connection, place.id, kept.id, by=person())
    code = _tell(done, way, trial=kept, as_json=as_json)
    if asked.trace and done[0].trace_id and not as_json:
        base = settings.public_url or f"http://{settings.host}:{settings.ui}"
        click.echo(f"The new run: {step_link(base, done[0].trace_id, project=place.name)}")
    return code


def _place(engine: Engine, project: str) -> projects.Project:
    with engine.connect() as connection:
        return projects.named(connection, project)


def _now() -> str:
    return f"{dt.datetime.now(dt.UTC):%Y-%m-%d %H:%M:%S}"


# --- what is run ---


def _cases(
    engine: Engine, place: projects.Project, asked: Asked
) -> tuple[list[Task], Trial]:  # fmt: skip
    name, keys = asked.dataset or "", asked.keys
    with engine.connect() as connection:
        known = datasets.named(connection, place.id, name)
        version = known.version if asked.number is None else asked.number
        held = datasets.cases(connection, place.id, known.id, version=version)
    if not held:
        raise WrongUse(
            f"Version {version} of dataset {name!r} has no cases; `waypost dataset add` adds some."
        )
    for key in keys:
        if sum(case.key.startswith(key) for case in held) != 1:
            raise WrongUse(
                f"--case {key!r} is not the beginning of one key of dataset {name!r}; "
                "`waypost dataset export` prints the keys."
            )
    chosen = [c for c in held if not keys or c.key.startswith(tuple(keys))]

    def recorded(key: str) -> Callable[[Connection], Trajectory]:
        return lambda c: datasets.trajectory(c, place.id, known.id, key, version=version)

    tasks = [Task(case.key, case.title, recorded(case.key)) for case in chosen]
    return tasks, Trial(place.name, name, known.id, 0, "", version)


def _run(engine: Engine, place: projects.Project, trace: str) -> Task:
    with engine.connect() as connection:
        (known,) = named_runs(connection, place, (trace,))
    title = next((m.text for m in known.input if m.text), known.name)
    return Task(known.id, title, lambda _: known)


def _begin(engine: Engine, place: projects.Project, known: Trial, name: str) -> Trial:
    """A new trial, or the one of that name and version that was never finished."""
    with engine.begin() as connection:
        begun = (
            one for one in trials.every(connection, place.id, known.dataset_id)
            if (one.name, one.version) == (name.strip(), known.version) and not one.finished_at
        )  # fmt: skip
        made = next(begun, None) or trials.begin(
            connection, place.id, known.dataset_id, name=name, version=known.version, by=person()
        )
    return known._replace(id=made.id, name=made.name)


def _left(
    engine: Engine, place: projects.Project, trial: Trial, tasks: Sequence[Task]
) -> list[Task]:  # fmt: skip
    """What a trial has no result of yet."""
    with engine.connect() as connection:
        held = {one.key for one in trials.results(connection, place.id, trial.id)}
    left = [task for task in tasks if task.key not in held]
    if held:
        click.echo(
            f"Trial {trial.name!r} was not finished; it goes on with {plural(len(left), 'case')}.",
            err=True,
        )
    return left


# --- running ---


@contextmanager
def _recorded(
    settings: Settings, endpoint: str | None, key: str | None
) -> Iterator[Callable[[], None]]:  # fmt: skip
    """The tracer sends what happens inside; what it yields raises when that does not arrive."""
    import tracer
    from waypost.demo.verb import wait_for

    said = next((os.environ[name] for name in _ENDPOINTS if os.environ.get(name)), None)
    target = (endpoint or said or settings.receiver).rstrip("/").removesuffix("/v1/traces")
    wait_for(target)

    def arrive() -> None:
        arrived = tracer.flush() or tracer.flush()
        if not arrived or tracer.stats().dropped:
            raise WaypostError(
                f"The collector at {target} does not take the new runs, so nobody can judge "
                "them. If it asks for a key, give one that may send with --key."
            )

    with tempfile.TemporaryDirectory(prefix="waypost-replay-") as pauses:
        # An argument would come before OTEL_*, which may name another path than ours.
        to = endpoint if endpoint or said else target
        tracer.instrument(to, project_key=key, pauses=pauses)
        try:
            yield arrive
            arrive()
        finally:
            tracer.uninstrument()


def _all(
    engine: Engine, place: projects.Project, one: Callable[[Task, Trajectory], Outcome],
    tasks: Sequence[Task], *, trial: Trial | None, quiet: bool,
) -> list[Outcome]:  # fmt: skip
    done = []
    with _progress(len(tasks), quiet=quiet) as told:
        for task in tasks:
            with engine.connect() as connection:
                recorded = task.recorded(connection)
            outcome = one(task, recorded)
            if trial is not None:
                _keep(engine, place, trial, outcome)
            done.append(outcome)
            told(outcome)
    return done


def _keep(engine: Engine, place: projects.Project, trial: Trial, outcome: Outcome) -> None:
    with engine.begin() as connection:
        trials.record(
            connection, place.id, trial.id, outcome.key, trace_id=outcome.trace_id,
            answer=outcome.answer, error=outcome.error, differences=outcome.differences,
            by=person(),
        )  # fmt: skip


@contextmanager
def _progress(count: int, *, quiet: bool) -> Iterator[Callable[[Outcome], None]]:
    """A bar on a terminal; elsewhere one line a case."""
    if not sys.stderr.isatty():
        yield lambda outcome: click.echo(_line(outcome), err=quiet)
        return
    with click.progressbar(length=count, label="Cases", file=sys.stderr) as bar:
        yield lambda _: bar.update(1)


def _line(outcome: Outcome) -> str:
    title = f"{outcome.key[:12]} {outcome.title[:_SHOWN]}"
    if outcome.error:
        return one_line(f"✕ {title}: {outcome.error}")
    counts = ", ".join(f"{n} {_WORDS.get(what, what)}" for what, n in outcome.counts.items() if n)
    differs = f"; differs in {', '.join(outcome.differences)}" if outcome.differences else ""
    return one_line(f"{'≠' if differs else '✓'} {title}: {counts or 'nothing was asked'}{differs}")


# --- what is said ---


def _tell(done: Sequence[Outcome], way: Way, *, trial: Trial | None, as_json: bool) -> int:
    failed = [one for one in done if one.error]
    differing = [one for one in done if one.differences]
    after = asking_the_gate(trial.dataset, trial.name, trial.project) if trial else None
    if as_json:
        print_json(
            {
                "dataset": trial.dataset if trial else None,
                "version": trial.version if trial else None,
                "trial": trial.name if trial else None,
                "cases": [asdict(one) for one in done],
                "failed": len(failed),
                "differing": len(differing),
                "next": after,
            }
        )
    else:
        _say(done, failed, differing, sealed=way.models == "recorded")
        if after:
            click.echo(f"Next: {after}")
    return 1 if failed or (differing and way.models == "recorded") else 0


def _say(
    done: Sequence[Outcome], failed: Sequence[Outcome], differing: Sequence[Outcome], *,
    sealed: bool,
) -> None:  # fmt: skip
    if sys.stderr.isatty():
        for one in [o for o in done if o.error or (sealed and o.differences)]:
            click.echo(_line(one))
    if len(done) == 1:
        for line in _details(done[0]):
            click.echo(line)
    click.echo(
        f"{plural(len(done), 'case')} tried: {len(failed)} could not be run, "
        f"{len(differing)} differed from the recorded run."
    )
    if own := sum(one.counts.get("own_code", 0) for one in done):
        click.echo(
            f"Tools ran their own code {plural(own, 'time')}, as models or tools were recorded "
            "below them; --answered TOOL keeps a tool from it."
        )


def _details(outcome: Outcome) -> Iterator[str]:
    """Of a single case: its answer and what differed."""
    if outcome.answer:
        yield f"Answer: {one_line(outcome.answer)}"
    for what, found in outcome.differences.items():
        for one in found if isinstance(found, list) else ():
            told = ", ".join(f"{k} {v}" for k, v in one.items()) if isinstance(one, dict) else one
            yield one_line(f"≠ {what}: {told}")
