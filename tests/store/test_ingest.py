"""Steps go in and come back as they were, however they arrive."""

import datetime as dt
import random
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import hypothesis.strategies as st
import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, given, settings
from sqlalchemy.engine import Engine

from tests.factories import NOW_NS, SECOND, make_run, make_step, readings, trace_id, user
from waypost.records import Reading, Step
from waypost.store import ingest, spans
from waypost.store.ingest import Writer, Written

NOW = dt.datetime.fromtimestamp(NOW_NS / SECOND, dt.UTC)


def put(
    engine: Engine, steps: list[Step], project: int = 1, writer: Writer | None = None
) -> Written:
    with (writer or Writer(engine)).batch() as batch:
        return batch.put(project, readings(steps), now=NOW)


def read(engine: Engine, trace: str, project: int = 1) -> tuple[Step, ...]:
    with engine.connect() as connection:
        since = NOW.date() - dt.timedelta(days=40)
        return spans.of_traces(connection, project, [trace_id(trace)], since).steps


def table(engine: Engine, sql: str) -> list[tuple[Any, ...]]:
    with engine.connect() as connection:
        return [tuple(row) for row in connection.execute(sa.text(sql))]


def everything(engine: Engine) -> dict[str, list[tuple[Any, ...]]]:
    """What a repeat or another order must not change: rows, messages, sums, jobs."""
    return {
        "messages": table(engine, "select trace_id, day, hash from message order by 1, 2, 3"),
        "sums": table(
            engine,
            "select trace_id, day, first_at, last_at, steps, errors, tokens_in, tokens_out,"
            " round(cost_usd::numeric, 6), name, agent, root_ended from trajectory order by 1, 2",
        ),
        "jobs": table(engine, "select trace_id, queue, day from job order by 1, 2"),
    }


def plain(steps: tuple[Step, ...] | list[Step]) -> list[Step]:
    return sorted(steps, key=lambda s: s.span_id)


def test_a_run_comes_back_as_it_went_in(any_engine: Engine) -> None:
    steps = make_run(5)
    assert put(any_engine, steps).stored == len(steps)
    assert plain(read(any_engine, "run")) == plain(steps)


def test_sending_twice_changes_nothing(any_engine: Engine) -> None:
    put(any_engine, make_run(5))
    before = everything(any_engine)
    again = put(any_engine, make_run(5))
    assert (again.stored, again.repeated) == (0, 11)
    assert everything(any_engine) == before


def test_a_long_run_stores_each_message_once(engine: Engine) -> None:
    put(engine, make_run(100))
    (added,) = table(engine, "select sum(length(add)) / 16 from step")
    assert added[0] < 400  # 200 messages, and two keyframes of a chain of 100


def test_the_summary_counts_what_was_stored(engine: Engine) -> None:
    put(engine, make_run(4))
    put(engine, make_run(4))
    found = table(
        engine, "select steps, errors, tokens_in, tokens_out, name, agent from trajectory"
    )
    assert found == [(8, 0, 406, 40, "agent", "support")]


def test_a_job_is_made_once_and_marked_when_more_arrives(engine: Engine) -> None:
    steps = make_run(2)
    put(engine, steps[:2])
    put(engine, steps[2:])
    put(engine, steps)
    assert table(engine, "select queue, dirty from job") == [(1, 1)]


def test_a_finished_span_replaces_its_marker_in_either_order(engine: Engine) -> None:
    done = make_run(1)[1]
    marker = done.replace(
        marker=True, ended_at=done.started_at, output=(), tokens=type(done.tokens)()
    )
    for order in ([marker, done], [done, marker]):
        for batches in ([order], [[order[0]], [order[1]]]):
            writer = Writer(engine)
            for steps in batches:
                put(engine, steps, writer=writer)
            assert read(engine, "run") == (done,)
            assert table(engine, "select steps, tokens_in from trajectory") == [(1, 100)]
            with engine.begin() as connection:
                connection.execute(sa.text("truncate step, trajectory, message, job"))


def test_projects_with_the_same_ids_do_not_meet(engine: Engine) -> None:
    with engine.begin() as connection:
        connection.execute(sa.text("insert into project (name) values ('other')"))
    other = [s.replace(name="other") for s in make_run(2)]
    put(engine, make_run(2), project=1)
    put(engine, other, project=2)
    assert plain(read(engine, "run", project=1)) == plain(make_run(2))
    assert plain(read(engine, "run", project=2)) == plain(other)


def test_projects_of_one_batch_do_not_meet(any_engine: Engine) -> None:
    with any_engine.begin() as connection:
        connection.execute(sa.text("insert into project (name) values ('other')"))
    with Writer(any_engine).batch() as batch:
        first = batch.put(1, readings(make_run(2, trace="a")), now=NOW)
        second = batch.put(2, readings(make_run(1, trace="b")), now=NOW)
    assert (first.stored, second.stored) == (5, 3)
    for name in ("step", "message", "trajectory", "job"):
        found = table(
            any_engine,
            f"select project_id, count(distinct trace_id) from {name} group by 1 order by 1",
        )
        assert found == [(1, 1), (2, 1)], name


@pytest.mark.parametrize("days", [-31, 4, 3650])
def test_a_span_outside_the_keep_time_is_refused_and_its_neighbours_stored(
    engine: Engine, days: int
) -> None:
    odd = make_step(started_at=NOW_NS + days * 86_400 * SECOND, span_id="00000000000000aa")
    written = put(engine, [odd, *make_run(1)])
    assert written.refused == [("00000000000000aa", "outside_keep_time")]
    assert written.stored == 3


def test_a_lost_base_shows_as_incomplete_input(engine: Engine) -> None:
    put(engine, make_run(3))
    with engine.begin() as connection:
        connection.execute(sa.text("delete from step where keep = 1"))
    last = max(read(engine, "run"), key=lambda s: (s.kind == "llm", s.started_at))
    assert not last.input_complete
    assert last.output


def test_a_base_with_other_content_shows_as_incomplete_input(engine: Engine) -> None:
    steps = make_run(3)
    first = next(s for s in steps if s.input)
    put(engine, [first.replace(input=(user("something else"),))])
    put(engine, steps)
    later = [s for s in read(engine, "run") if s.input and s.span_id != first.span_id]
    whole = {s.span_id: s for s in steps}
    assert all(not s.input_complete or s.input == whole[s.span_id].input for s in later)


def fail_in_the_middle(writer: Writer, steps: list[Step]) -> None:
    with writer.batch() as batch:
        batch.put(1, readings(steps), now=NOW)
        _ = 1 / 0


def test_a_failed_batch_is_no_base(engine: Engine) -> None:
    writer = Writer(engine)
    steps = make_run(2)
    with pytest.raises(ZeroDivisionError):
        fail_in_the_middle(writer, steps[:2])
    put(engine, steps[2:], writer=writer)
    assert plain(read(engine, "run")) == plain(steps[2:])


def test_bodies_are_written_again_after_a_failure(engine: Engine) -> None:
    writer = Writer(engine)
    steps = make_run(2)
    put(engine, steps[:2], writer=writer)
    with engine.begin() as connection:  # a server that came back without its last commits
        connection.execute(sa.text("truncate message, step"))
    with pytest.raises(ZeroDivisionError):
        fail_in_the_middle(writer, steps[:1])
    put(engine, steps, writer=writer)
    assert plain(read(engine, "run")) == plain(steps)


def test_a_later_reading_takes_the_place_of_the_earlier(any_engine: Engine) -> None:
    steps = make_run(3)
    put(any_engine, steps)
    later = [s.replace(name="later", agent="other", result={"long": "x" * 900}) for s in steps[1:3]]
    with any_engine.begin() as connection:
        ingest.rewrite(connection, 1, list(zip(steps[1:3], later, strict=True)))
    expected = [
        later[0],
        later[1],
        *(s for s in steps if s.span_id not in {x.span_id for x in later}),
    ]
    assert plain(read(any_engine, "run")) == plain(expected)


def test_a_run_over_midnight_reads_back_whole(engine: Engine) -> None:
    midnight = (NOW_NS // (86_400 * SECOND)) * 86_400 * SECOND
    steps = make_run(8, start=midnight - 40 * SECOND)
    put(engine, steps)
    assert plain(read(engine, "run")) == plain(steps)
    assert len(table(engine, "select day from trajectory")) == 2


def test_several_writers_at_once_store_the_same_as_one(engine: Engine) -> None:
    runs = [make_run(3, trace=f"t{n}") for n in range(6)]

    def send(seed: int) -> None:
        mixed = [s for run in runs for s in run]
        random.Random(seed).shuffle(mixed)
        writer = Writer(engine)
        for i in range(0, len(mixed), 5):
            put(engine, mixed[i : i + 5], writer=writer)

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(send, range(4)))
    for n, run in enumerate(runs):
        assert plain(read(engine, f"t{n}")) == plain(run)
    assert table(engine, "select sum(steps) from trajectory") == [(36,)]


@given(data=st.data())
@settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_order_splitting_and_repetition_change_nothing(engine: Engine, data: st.DataObject) -> None:
    with engine.begin() as connection:
        connection.execute(sa.text("truncate step, trajectory, message, job"))
    sent = [s for n in range(2) for s in make_run(3, trace=f"t{n}")]
    put(engine, sent)
    expected = everything(engine)
    with engine.begin() as connection:
        connection.execute(sa.text("truncate step, trajectory, message, job"))
    order = data.draw(
        st.permutations(sent + data.draw(st.lists(st.sampled_from(sent), max_size=6)))
    )
    writers = [Writer(engine), Writer(engine)]
    while order:
        size = data.draw(st.integers(1, len(order)))
        put(engine, order[:size], writer=data.draw(st.sampled_from(writers)))
        order = order[size:]
    assert everything(engine) == expected
    for n in range(2):
        assert plain(read(engine, f"t{n}")) == plain(make_run(3, trace=f"t{n}"))


@given(
    st.lists(
        st.lists(st.integers(0, 5), max_size=8).map(lambda ns: tuple(user(f"m{n}") for n in ns)),
        min_size=1, max_size=12,
    )
)  # fmt: skip
@settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_any_history_reads_back_byte_for_byte(engine: Engine, inputs: list[Any]) -> None:
    with engine.begin() as connection:
        connection.execute(sa.text("truncate step, trajectory, message, job"))
    steps = [
        make_step(span_id=f"{n + 1:016x}", started_at=NOW_NS + n * SECOND, input=given_input)
        for n, given_input in enumerate(inputs)
    ]
    writer = Writer(engine)
    for step in steps:
        put(engine, [step], writer=writer)
    assert list(read(engine, "trace")) == steps


def test_readings_of_one_batch_share_a_commit(engine: Engine) -> None:
    with Writer(engine).batch() as batch:
        first = batch.put(1, [Reading(s) for s in make_run(1, trace="a")], now=NOW)
        second = batch.put(1, [Reading(s) for s in make_run(1, trace="b")], now=NOW)
    assert first is second
    assert first.stored == 6


def test_a_writer_locks_a_run_before_its_job_as_a_worker_does(any_engine: Engine) -> None:
    first, *others = make_run(3)
    put(any_engine, [first])
    ended = sa.text("update trajectory set settled_at = now() where trace_id = :trace")
    done = sa.text("update job set dirty = dirty where trace_id = :trace")
    trace = {"trace": first.trace_id}
    with ThreadPoolExecutor(1) as pool, any_engine.begin() as worker:
        worker.execute(ended, trace)
        written = pool.submit(put, any_engine, others)
        _until_somebody_waits(any_engine)
        worker.execute(sa.text("set local lock_timeout = '100ms'"))
        worker.execute(done, trace)
        worker.commit()
        assert written.result().stored == len(others)


def _until_somebody_waits(engine: Engine) -> None:
    waiting = sa.text("""
        select count(*) from pg_stat_activity
        where datname = current_database() and wait_event_type = 'Lock'""")
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        with engine.connect() as connection:
            if connection.execute(waiting).scalar_one():
                return
        time.sleep(0.01)
    raise AssertionError("nobody waited")
