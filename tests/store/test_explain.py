"""What explains a failing cohort in the store: the tool, the error, the version, the step."""

import datetime as dt
import random

import pytest
import sqlalchemy as sa
from sqlalchemy.engine import Connection, Engine

from tests.factories import NOW_NS, SECOND, make_run, trace_id
from tests.planted import Planted, count_all, plant, verdict_of
from tests.store.test_ingest import put
from waypost.records import Fault, Kind, Score, Status
from waypost.store import cohorts, explain, run_rates, runs, scores, traces
from waypost.store.measures import Measure
from waypost.store.partitions import ensure_days
from waypost.store.rates import Window
from waypost.store.scores import Verdict

NOW = dt.datetime.fromtimestamp(NOW_NS / SECOND, dt.UTC)
WINDOW = Window(NOW - dt.timedelta(days=2), NOW + dt.timedelta(hours=2))


@pytest.fixture
def change(engine: Engine) -> tuple[Engine, dt.datetime]:
    """Six hundred runs; from the moment on those with prompt v15 in eu fail."""
    ensure_days(engine, [NOW.date() + dt.timedelta(days=n) for n in range(-3, 2)])
    chance, moment = random.Random(4), NOW - dt.timedelta(hours=5)
    planted = []
    for n in range(600):
        at = NOW - dt.timedelta(minutes=600 - n)
        version = "v15" if at >= moment and chance.random() < 0.7 else "v14"
        region = chance.choice(["eu", "us"])
        bad = chance.random() < (0.6 if (version, region) == ("v15", "eu") else 0.04)
        planted.append(
            Planted(f"run {n}", at, {"prompt_version": version, "region": region},
                    {"grounded": verdict_of(bad)}, errors=int(bad),
                    measures={"versions": [["prompt", "help", version]]})
        )  # fmt: skip
    with engine.begin() as connection:
        plant(connection, planted, now=NOW)
        count_all(connection)
    return engine, moment


def test_reason_moment_and_version_are_named(change: tuple[Engine, dt.datetime]) -> None:
    engine, moment = change
    with engine.connect() as connection:
        items = explain.of_evaluator(connection, 1, WINDOW, "grounded")
        (first, *_) = explain.why(items)
        since = explain.since_when(connection, 1, items)
    assert dict(first.conditions) == {"prompt_version": "v15", "region": "eu"}
    assert since.point is not None
    assert since.point.low <= moment <= since.point.high
    cause = since.causes[0]
    assert (cause.kind, cause.name, cause.version) == ("prompt", "help", "v15")


def test_rates_of_runs_are_explained_the_same_way(change: tuple[Engine, dt.datetime]) -> None:
    engine, _ = change
    with engine.connect() as connection:
        items = explain.of_runs(connection, 1, WINDOW, Measure.ERRORS)
        slow = explain.of_runs(connection, 1, WINDOW, Measure.LATENCY, over=5000)
        narrow = explain.of_runs(connection, 1, WINDOW, Measure.ERRORS, where={"region": "us"})
    assert dict(explain.why(items)[0].conditions) == {"prompt_version": "v15", "region": "eu"}
    assert not any(slow.failed)
    assert set(narrow.columns["region"]) == {"us"}


def judged(connection: Connection, name: str, bad: bool) -> None:
    """A real run whose tool steps are judged, and called something by another evaluator."""
    run = runs.load(connection, 1, trace_id(name))
    assert run is not None
    ids = scores.evaluator_ids(connection, 1, [("grounded", "1", "code"), ("tone", "1", "code")])
    (cohort,) = cohorts.ids(connection, 1, [{"region": "eu"}]).values()
    verdicts = []
    for step in run.steps:
        fails = bad and step.kind is Kind.TOOL
        score = Score.failed("no", step=step.id) if fails else Score.passed(step=step.id)
        tone = Score.passed(step=step.id, label="curt" if fails else "kind")
        for judge, one in (("grounded", score), ("tone", tone)):
            verdicts.append(Verdict(step.trace_id, step.started_at, cohort, ids[judge, "1"], one))
    scores.write(connection, 1, verdicts)
    summary = traces.Verdicts(int(bad), 2 if bad else None, None, "")
    traces.settle(connection, 1, run, cohort_id=cohort, verdicts=summary, now=NOW)


def test_the_tool_the_label_and_the_first_bad_step_are_named(engine: Engine) -> None:
    for n in range(40):
        put(engine, make_run(2, trace=f"run {n}", start=NOW_NS + n * 60 * SECOND))
        with engine.begin() as connection:
            judged(connection, f"run {n}", n % 2 == 0)
    with engine.begin() as connection:
        count_all(connection)
        items = explain.of_evaluator(connection, 1, WINDOW, "grounded")
        bad = [t for t, fails in zip(items.traces, items.failed, strict=True) if fails]
        first = explain.first_bad_step(connection, 1, bad, WINDOW.since)
    assert set(items.columns) >= {"region", "tool", "step kind", "error", "tone label"}
    assert set(dict(explain.why(items)[0].conditions)) <= {"tool", "step kind", "tone label"}
    assert first is not None
    assert (first.step, first.kind, first.tool, first.runs) == (2, "tool", "lookup_order", 20)


def test_nothing_stored_explains_nothing(engine: Engine) -> None:
    with engine.connect() as connection:
        items = explain.of_evaluator(connection, 1, WINDOW, "grounded")
        assert explain.why(items) == []
        assert explain.since_when(connection, 1, items) == explain.Since(None)
        assert explain.first_bad_step(connection, 1, [], WINDOW.since) is None


def test_only_the_newest_items_are_read(change: tuple[Engine, dt.datetime]) -> None:
    with change[0].connect() as connection:
        items = explain.of_evaluator(connection, 1, WINDOW, "grounded", most=50)
        (latest,) = connection.execute(sa.text("select max(started_at) from score")).scalars()
    assert len(items.failed) == 50
    assert items.times == sorted(items.times)
    assert items.times[-1] == latest


@pytest.mark.parametrize("broken", [0, 1, 2])
def test_a_run_that_ended_in_an_error_has_one_whichever_span_says_so(
    engine: Engine, broken: int
) -> None:
    root, *steps = make_run(2)
    fault = Fault("RuntimeError", "database is down")
    steps = [s.replace(status=Status.ERROR, error=fault) for s in steps[:broken]] + steps[broken:]
    put(engine, [root.replace(status=Status.ERROR, error=fault), *steps])
    with engine.begin() as connection:
        judged(connection, "run", bad=False)
        count_all(connection)
        errors = connection.scalar(sa.text("select errors from trajectory"))
        (cell,) = run_rates.by_cohort(connection, 1, WINDOW)
    assert errors == max(1, broken)
    assert cell.shares[Measure.ERRORS].k == 1
