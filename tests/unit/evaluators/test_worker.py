"""The worker judges what is stored, exactly once, whatever happens meanwhile."""

import datetime as dt
import threading
from collections.abc import Mapping
from dataclasses import replace

import sqlalchemy as sa
from sqlalchemy.engine import Engine

from evaluators.config import Config
from evaluators.desk import Desk
from evaluators.evaluator import Evaluator, evaluator
from evaluators.judged import Judged
from evaluators.memory import Memory
from evaluators.plan import Plan
from evaluators.project_plan import Plans
from evaluators.registry import find_evaluators
from evaluators.worker import Worker
from tests.factories import NOW_NS, SECOND, make_run, make_step, readings, trace_id
from tests.planted import count_all
from tests.unit.evaluators.steps import run_of, tool
from waypost.records import Fault, Kind, Message, Score, Status, Step, Trajectory
from waypost.store import jobs, run_rates, scores, traces
from waypost.store.ingest import Writer
from waypost.store.measures import Measure
from waypost.store.queues import Queue
from waypost.store.rates import Window

HOUR = 3600 * SECOND


@evaluator(version=1, kinds=(Kind.TOOL,))
def shipped(step: Step) -> Score:
    """Fail when an order was shipped."""
    return Score.failed("shipped") if "shipped" in str(step.result) else Score.passed()


@evaluator(version=1)
def whole(run: Trajectory) -> Score:
    """Pass every run."""
    return Score.passed()


@evaluator(version=1)
def breaks(step: Step) -> Score:
    """Crash."""
    raise ValueError("boom")


def worker(engine: Engine, *judges: Evaluator, late: int = HOUR, body: object = None) -> Worker:
    known: Mapping[str, Evaluator] = {j.name: j for j in judges}
    plans = Plans(known, body if isinstance(body, dict) else {}, refresh_seconds=0)
    return Worker(engine, Desk(plans), now=lambda: NOW_NS + late)


def send(engine: Engine, *names: str, turns: int = 3) -> None:
    writer = Writer(engine)
    for name in names:
        with writer.batch() as batch:
            batch.put(1, readings(make_run(turns, trace=name)))


def settle_jobs(engine: Engine) -> None:
    with engine.begin() as connection:
        connection.execute(sa.text("update job set run_at = now() - interval '1 s'"))


def stored(engine: Engine, name: str) -> list[tuple[str, str, str | None]]:
    since = dt.datetime.fromtimestamp(NOW_NS / 1e9, dt.UTC) - dt.timedelta(days=1)
    with engine.connect() as connection:
        found = scores.of_trace(connection, 1, [trace_id(name)], since)
    return sorted((s.score.evaluator, s.score.outcome.value, s.score.step) for s in found)


def counters(engine: Engine) -> list[tuple[object, ...]]:
    with engine.connect() as connection:
        rows = connection.execute(
            sa.text(
                "select evaluator_id, sum(n), sum(n_fail), sum(n_abstain) from score_hour"
                " group by 1 order by 1"
            )
        )
        return [tuple(row) for row in rows]


def work(engine: Engine, *judges: Evaluator, rounds: int = 3, **more: object) -> Worker:
    made = worker(engine, *judges, **more)  # type: ignore[arg-type]  # handed on as given
    for _ in range(rounds):
        settle_jobs(engine)
        made.turn()
    return made


def test_every_step_has_one_score_and_its_job_is_gone(any_engine: Engine) -> None:
    send(any_engine, "a", "b")
    work(any_engine, shipped, whole)
    assert [s[:2] for s in stored(any_engine, "a")] == [("shipped", "failed")] * 3 + [
        ("whole", "passed")
    ]
    with any_engine.connect() as connection:
        assert jobs.depth(connection, 1) == []


def test_judging_again_changes_nothing(engine: Engine) -> None:
    send(engine, "a")
    work(engine, shipped, whole)
    before = stored(engine, "a"), counters(engine)
    with engine.begin() as connection:
        day = dt.datetime.fromtimestamp(NOW_NS / 1e9, dt.UTC).date()
        jobs.enqueue(connection, 1, Queue.TRACE, [(trace_id("a"), None, 0, day)])
    work(engine, shipped, whole)
    assert (stored(engine, "a"), counters(engine)) == before


def test_counters_equal_a_recount(engine: Engine) -> None:
    send(engine, "a", "b", "c")
    work(engine, shipped, whole)
    before = counters(engine)
    with engine.begin() as connection:
        since = dt.datetime.fromtimestamp(NOW_NS / 1e9, dt.UTC) - dt.timedelta(days=1)
        scores.recount(connection, 1, since)
    assert counters(engine) == before


def test_a_crash_leaves_the_others_alone_and_is_kept_in_the_end(engine: Engine) -> None:
    send(engine, "a")
    work(engine, shipped, breaks, rounds=8)
    assert [s[0] for s in stored(engine, "a")] == ["shipped"] * 3
    with engine.connect() as connection:
        (left,) = jobs.depth(connection, 1)
    assert (left.queue, left.dead) == (Queue.EVALUATE, 1)


def test_a_run_is_judged_whole_only_when_it_has_ended_or_is_idle(engine: Engine) -> None:
    steps = make_run(2, trace="open")[1:]
    with Writer(engine).batch() as batch:
        batch.put(1, readings(steps))
    work(engine, shipped, whole, late=20 * SECOND)
    assert {s[0] for s in stored(engine, "open")} == {"shipped"}
    work(engine, shipped, whole)
    assert {s[0] for s in stored(engine, "open")} == {"shipped", "whole"}


def test_a_run_that_grows_is_judged_where_it_is_new(engine: Engine) -> None:
    seen: list[str] = []

    @evaluator(version=1, kinds=(Kind.TOOL,))
    def noticed(step: Step) -> Score:
        """Fail every tool step."""
        seen.append(step.id)
        return Score.failed("seen")

    told: list[int] = []
    made = worker(engine, noticed)
    made.tell = lambda _project, verdicts: told.append(len(verdicts))
    steps = make_run(4, trace="grown")
    for part in (steps[1:5], steps[5:]):
        with Writer(engine).batch() as batch:
            batch.put(1, readings(part))
        settle_jobs(engine)
        made.turn()
    assert (len(seen), len(set(seen)), told) == (4, 4, [2, 2])
    assert len(stored(engine, "grown")) == 4
    with engine.connect() as connection:
        fails = connection.execute(sa.text("select fails from trajectory")).scalar_one()
    assert fails == 4


def test_a_step_that_changed_or_another_plan_is_judged_anew() -> None:
    run = run_of(tool("a", {}, "x"), tool("b", {}, "y"))
    plan, memory = Plan({}, Config()), Memory(most=4)
    memory.keep(Judged(run, [(Score.passed(), s) for s in run.steps]), plan, 1)
    assert len(memory.known(run, plan, 1)) == 2
    later = replace(run, steps=(run.steps[0], run.steps[1].replace(result="z")))
    assert list(memory.known(later, plan, 1)) == [run.steps[0].id]
    assert memory.known(run, plan, 2) == memory.known(run, Plan({}, Config()), 1) == {}
    for n in range(3):
        memory.keep(Judged(replace(run, id=f"r{n}")), plan, 1)
    assert memory.known(run, plan, 1) == {}


def test_a_step_is_judged_anew_when_what_came_before_it_is_told_later() -> None:
    run = run_of(tool("a", {}, "x"), tool("b", {}, "y"))
    plan, memory = Plan({}, Config()), Memory()
    memory.keep(Judged(run, [(Score.passed(), s) for s in run.steps]), plan, 1)
    finished = replace(run, steps=(run.steps[0].replace(result="z"), run.steps[1]))
    assert memory.known(finished, plan, 1) == {}
    asked = Message("user", ({"type": "text", "content": "Why?"},))
    assert memory.known(replace(run, input=(asked,)), plan, 1) == {}
    offered = run.steps[1].replace(tools=({"name": "b"},))
    assert memory.known(replace(run, steps=(run.steps[0], offered)), plan, 1) == {}


def test_what_a_run_adds_up_to_is_on_its_row(engine: Engine) -> None:
    send(engine, "a")
    work(engine, shipped, whole)
    with engine.connect() as connection:
        row = connection.execute(
            sa.text("select fails, first_bad_step, shape, steps from trajectory")
        ).one()
    assert tuple(row) == (3, 2, "·✕·✕·✕", 6)


def test_two_workers_share_the_jobs_and_score_once(engine: Engine) -> None:
    send(engine, *(f"r{n}" for n in range(24)))
    settle_jobs(engine)
    makers = [worker(engine, shipped, whole) for _ in range(2)]
    for made in makers:
        made.batch = 4
    threads = [threading.Thread(target=lambda m=m: [m.turn() for _ in range(9)]) for m in makers]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [len(stored(engine, f"r{n}")) for n in range(24)] == [4] * 24


def test_all_built_in_judges_work_on_stored_runs(engine: Engine) -> None:
    send(engine, "a", turns=5)
    work(engine, *find_evaluators().values())
    assert len({s[0] for s in stored(engine, "a")}) > 15
    with engine.connect() as connection:
        assert jobs.depth(connection, 1) == []


def test_a_run_that_crashed_before_its_first_step_is_listed_and_counted(engine: Engine) -> None:
    crashed = make_step(
        "support", kind=Kind.AGENT, agent="support", status=Status.ERROR,
        error=Fault("AuthError", "no key"),
    )  # fmt: skip
    request = crashed.replace(trace_id="d" * 32, kind=Kind.OTHER, agent=None)
    with Writer(engine).batch() as batch:
        batch.put(1, readings([crashed, request]))
    work(engine, whole)
    day = dt.timedelta(days=1)
    now = dt.datetime.fromtimestamp(NOW_NS / 1e9, dt.UTC)
    with engine.begin() as connection:
        count_all(connection)
        for failed in (None, True):
            rows = traces.page(connection, 1, traces.Filter(now - day, now + day, failed=failed))
            assert [(r.trace_id, r.steps, r.errors) for r in rows] == [(crashed.trace_id, 0, 1)]
        assert not traces.page(connection, 1, traces.Filter(now - day, now + day, failed=False))
        (cell,) = run_rates.by_cohort(connection, 1, Window(now - day, now + day))
        assert (cell.runs, cell.shares[Measure.ERRORS].k) == (1, 1)
