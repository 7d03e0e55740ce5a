"""`waypost import`: takes back what `waypost export` and `waypost dataset export` print."""

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import IO, Any, Final

import orjson

from collector.lines import TooLong, lines
from collector.masking import Masker
from waypost.assembly import assemble, take_apart
from waypost.errors import Unreadable
from waypost.reading_back import read_object, read_run
from waypost.records import Feedback, Json, Reading, Step, Trajectory
from waypost.roles import Person, Role
from waypost.settings import Settings
from waypost.store import audit, datasets, projects, sessions
from waypost.store.engine import Engine, plainly
from waypost.store.ingest import Writer
from waypost.store.opened import store
from waypost.store.projects import Project

_AT_ONCE: Final = 50
_BYTES_AT_ONCE: Final = 32 << 20
_TRACE: Final = re.compile("(?!0{32})[0-9a-f]{32}")
_SPAN: Final = re.compile("(?!0{16})[0-9a-f]{16}")
_SPANS: Final = 200_000
_REFUSED: Final = 10_000
_CASE: Final = frozenset({"dataset", "key", "title", "trace_id", "steps", "since", "expectation"})


@dataclass(slots=True)
class Brought:
    """What became of a file: runs and spans, and each refused line with its number and reason.

    `cut_off` is why it ended before its end.
    """

    runs: int = 0
    spans: int = 0
    repeated: int = 0
    outside: int = 0
    cases: int = 0
    refused: list[tuple[int, str]] = field(default_factory=list)
    cut_off: str = ""


@dataclass(frozen=True, slots=True)
class Line:
    """A run in a file, and what is expected of it where it is a case."""

    spans: list[Step]
    feedback: list[Feedback]
    expectation: Mapping[str, Json]
    size: int


def bring(
    settings: Settings,
    file: IO[bytes],
    project: str,
    *,
    by: Person,
    to_dataset: str | None = None,
    told: Callable[[int], None] = lambda _: None,
) -> Brought:
    """Store the runs of a file, or put them into a dataset; lines that do not fit are refused.

    What is stored already stays as it is. `told` hears how many lines were looked at.
    """
    if to_dataset is not None:
        by.must_be(Role.REVIEWER, "Adding cases")
    with store(settings) as engine:
        with plainly(), engine.connect() as connection:
            known = projects.named(connection, project)
        with plainly(), engine.begin() as connection:
            masker = Masker(
                known.masking, key=sessions.id_key(sessions.secret(connection), known.id)
            )
        done = Brought()
        keep = _to_store(engine, known, done)
        if to_dataset is not None:
            keep = _to_cases(engine, known, done, to_dataset, by)
        for page in _pages(file, settings.inflated_limit, masker, done, told):
            keep(page)
            done.runs += len(page)
        with plainly(), engine.begin() as connection:
            said = {"runs": done.runs, "refused": len(done.refused), "dataset": to_dataset}
            actor = audit.Actor(by.name, by.origin)
            audit.note(connection, known.id, actor, "runs.import", known.name, after=said)
    return done


def _pages(
    file: IO[bytes], limit: int, masker: Masker, done: Brought, told: Callable[[int], None]
) -> Iterator[list[Line]]:
    page: list[Line] = []
    size = 0
    try:
        for number, line in lines(file, limit):
            told(number)
            try:
                found = _read(line, masker)
            except Unreadable as error:
                done.refused.append((number, str(error)))
                if len(done.refused) == _REFUSED:
                    raise Unreadable(
                        f"{_REFUSED:,} lines did not fit by line {number:,}; is this an export?"
                    ) from error
                continue
            page.append(found)
            size += found.size
            if len(page) == _AT_ONCE or size > _BYTES_AT_ONCE:
                yield page
                page, size = [], 0
    except Unreadable as error:
        done.cut_off = str(error)
    if page:
        yield page


def _read(line: bytes | TooLong, masker: Masker) -> Line:
    """The run in a line, masked as what arrives is; Unreadable says why there is none."""
    if isinstance(line, TooLong):
        raise line
    try:
        body = orjson.loads(line)
    except orjson.JSONDecodeError as error:
        raise Unreadable(f"it is not JSON: {error}") from error
    run, expectation = _run_of(body)
    _check(run)
    spans, feedback = take_apart(run)
    masked = [masker.reading(Reading(span)).step for span in spans]
    expected = masker.expectation(expectation)
    return Line(masked, [masker.feedback(one) for one in feedback], expected, len(line))


def _run_of(body: Any) -> tuple[Trajectory, Mapping[str, Json]]:
    if not isinstance(body, dict):
        raise Unreadable("it is not an object")
    if "run" not in body and body.keys() >= {"dataset", "key"}:
        raise Unreadable("it is a case without its run; export the dataset with --runs")
    if "run" not in body:
        return read_run(body), {}
    unknown = sorted(body.keys() - _CASE - {"run"})
    if unknown:
        raise Unreadable(f"it has an unknown entry {unknown[0][:60]!r}")
    return read_run(body["run"]), read_object(body.get("expectation", {}), "expectation")


def _check(run: Trajectory) -> None:
    """What the store takes for granted of spans and verdicts."""
    spans = [*run.steps, *run.scopes, *run.others]
    if not spans:
        raise Unreadable("its run has no spans")
    if len(spans) > _SPANS:
        raise Unreadable(f"its run has more than {_SPANS:,} spans")
    for span in spans:
        _check_id(span.trace_id, _TRACE, "a trace id")
        _check_id(span.span_id, _SPAN, "a span id")
        if span.parent_id is not None:
            _check_id(span.parent_id, _SPAN, "a parent's id")
        if span.trajectory_id is not None:
            _check_id(span.trajectory_id, _TRACE, "a trajectory id")
    for one in run.feedback:
        if one.trace_id is not None:
            _check_id(one.trace_id, _TRACE, "the trace id of a verdict")
        if one.span_id is not None:
            _check_id(one.span_id, _SPAN, "the span id of a verdict")


def _check_id(value: str, form: re.Pattern[str], what: str) -> None:
    if form.fullmatch(value) is None:
        raise Unreadable(f"{value[:40]!r} is not {what}")


def _to_store(engine: Engine, project: Project, done: Brought) -> Callable[[list[Line]], None]:
    writer = Writer(engine)

    def keep(page: list[Line]) -> None:
        refused = 0
        with writer.batch() as batch:
            for one in page:
                written = batch.put(
                    project.id, [Reading(span) for span in one.spans], feedback=one.feedback,
                    keep_days=project.keep_days,
                )  # fmt: skip
                done.outside += len(written.refused) - refused == len(one.spans)
                refused = len(written.refused)
        done.spans += written.stored
        done.repeated += written.repeated

    return keep


def _to_cases(
    engine: Engine, project: Project, done: Brought, name: str, by: Person
) -> Callable[[list[Line]], None]:
    def keep(page: list[Line]) -> None:
        found = [
            (
                assemble(one.spans, feedback=one.feedback, cohort_keys=project.cohort_keys),
                one.expectation,
            )
            for one in page
        ]
        with plainly(), engine.begin() as connection:
            done.cases += datasets.put(
                connection, project.id, name, [run for run, _ in found], by=by,
                expected={run.id: expectation for run, expectation in found},
            )  # fmt: skip

    return keep
