"""What the store costs: writing, disk, scores, jobs and the two queries a page lives on.

python -m benchmarks.store [--scores 5000000]
"""

import argparse
import datetime as dt
import statistics
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial

import sqlalchemy as sa

from benchmarks.measure import Bench, bench
from tests.factories import NOW_NS, SECOND, assistant, make_step, make_tool, span_id, trace_id, user
from waypost.records import Kind, Reading, Score, Step, Tokens
from waypost.store import jobs, rows, scores
from waypost.store.codec import Codec, Names
from waypost.store.history import History
from waypost.store.ingest import Batch, Writer, pressed
from waypost.store.partitions import ensure_days
from waypost.store.queues import Queue
from waypost.store.scores import Verdict
from waypost.store.sql import copy_in, statement

NOW = dt.datetime.fromtimestamp(NOW_NS / SECOND, dt.UTC)
DAY = NOW.date()
WORDS = (
    "claim", "office", "benefit", "income", "letter", "appeal", "deadline", "form", "month",
    "child", "housing", "rent", "notice", "support", "payment", "address", "change", "document",
)  # fmt: skip
BATCH = 1000
STEP_COLUMNS = {
    "trace_id": "bytea", "span_id": "int8", "started_at": "int8", "parent_id": "int8",
    "started_ns": "int2", "duration_ns": "int8", "kind": "int2", "status": "int2",
    "marker": "bool", "name": "text", "tool": "text", "model": "text", "prompt_version": "text",
    "tokens_in": "int4", "tokens_out": "int4", "cost_usd": "float8", "base_id": "int8",
    "keep": "int4", "add": "bytea", "sum": "bytea", "output": "bytea", "enc": "int2",
    "detail": "bytea", "project_id": "int4",
}  # fmt: skip
MESSAGE_COLUMNS = {
    "trace_id": "bytea", "day": "int4", "hash": "bytea", "enc": "int2", "body": "bytea",
    "project_id": "int4",
}  # fmt: skip


def text(seed: int, size: int) -> str:
    """Prose of about `size` characters that differs from seed to seed and compresses as prose."""
    parts, length, state = [], 0, seed * 2_654_435_761 % (1 << 32)
    while length < size:
        state = (state * 1_103_515_245 + 12_345) % (1 << 31)
        word = WORDS[state % len(WORDS)] + (str(state % 9973) if state % 5 == 0 else "")
        parts.append(word)
        length += len(word) + 1
    return " ".join(parts)


def conversation(turns: int, *, name: str, payload: int = 1000) -> Iterator[Step]:
    """An agent's run whose model steps carry the whole history, as foreign tracers send it."""
    trace, seed = trace_id(name), int(span_id(name), 16) % (1 << 31)
    history = [user(text(seed, 300))]
    root = span_id((name, "root"))
    for turn in range(turns):
        start = NOW_NS + turn * SECOND
        answer = assistant(text(seed + turn * 3 + 1, 200))
        yield make_step(
            "gpt-4o-mini", trace_id=trace, parent_id=root, span_id=span_id((name, turn, "m")),
            started_at=start, input=tuple(history), output=(answer,), model="gpt-4o-mini",
            tokens=Tokens(400 + turn, 60), agent="benefits", session="s" + name,
            attributes={"region": "eu", "tenant": "north", "http.status_code": 200},
        )  # fmt: skip
        result = text(seed + turn * 3 + 2, payload)
        yield make_tool(
            trace_id=trace, parent_id=root, span_id=span_id((name, turn, "t")),
            started_at=start + SECOND // 2, arguments={"query": text(turn, 60)}, result=result,
            agent="benefits", session="s" + name, attributes={"region": "eu", "tenant": "north"},
        )  # fmt: skip
        history += [answer, user(result)]
    yield make_step(
        "benefits", kind=Kind.AGENT, trace_id=trace, span_id=root, agent="benefits",
        started_at=NOW_NS, ended_at=NOW_NS + turns * SECOND,
    )  # fmt: skip


def batches(steps: list[Step]) -> Iterator[list[Step]]:
    for i in range(0, len(steps), BATCH):
        yield steps[i : i + BATCH]


def interleaved(runs: list[list[Step]]) -> list[Step]:
    """Many runs at once, as a collector sees them."""
    longest = max(len(r) for r in runs)
    return [run[i] for i in range(longest) for run in runs if i < len(run)]


def write_all(writer: Writer, steps: list[Step]) -> None:
    for part in batches(steps):
        with writer.batch() as batch:
            batch.put(1, [Reading(s) for s in part], now=NOW)


@dataclass(frozen=True, slots=True)
class Prepared:
    """The rows of some steps as they will be written, encoded beforehand."""

    steps: list[rows.Row]
    messages: list[rows.Row]


def prepare(steps: list[Step]) -> list[Prepared]:
    """The rows of each batch, by the writer's own encoding."""
    history, codec, names, made = History(), Codec(), Names(), []
    for part in batches(steps):
        batch = Batch(history, codec, names)
        batch.put(1, [Reading(s) for s in part], now=NOW)
        history.confirm()
        (rows_of,) = batch._parts.values()
        taken = pressed(sorted(rows_of.steps.values()), rows.STEP_BODY, codec)
        said = pressed(sorted(rows_of.messages.values()), rows.MESSAGE_BODY, codec)
        made.append(Prepared(list(taken), list(said)))
    return made


def writing(at: Bench) -> None:
    """CPU per 1,000 steps, durable, beside a bare COPY of the same step and message rows.

    `rows only` is what the store does with encoded rows: COPY to a temporary table, insert once,
    sum up, enqueue. `ours` adds what encoding costs: hashes, deltas, compression.
    """
    ensure_days(at.engine, [DAY])
    ratios, whole = [], []
    print("round  ours ms/1000   client   server  rows only  bare COPY  ratio  with encoding")
    for round_ in range(5):
        steps = interleaved([list(conversation(20, name=f"w{round_}-{n}")) for n in range(250)])
        bare = prepare([s.replace(trace_id="b" + s.trace_id[1:]) for s in steps])
        again = prepare([s.replace(trace_id="c" + s.trace_id[1:]) for s in steps])
        plain = at.cost(partial(_copy_all, at, bare))
        encoded = at.cost(partial(_write_rows, at, again))
        ours = at.cost(partial(write_all, Writer(at.engine), steps))
        scale = 1_000_000 / len(steps)
        ratios.append(encoded.total / plain.total)
        whole.append(ours.total / plain.total)
        print(
            f"{round_:>5} {ours.total * scale:>13.1f} {ours.client * scale:>8.1f} "
            f"{ours.server * scale:>8.1f} {encoded.total * scale:>10.1f} "
            f"{plain.total * scale:>10.1f} {ratios[-1]:>6.2f} {whole[-1]:>14.2f}"
        )
    print(
        f"median: {statistics.median(ratios):.2f} times a bare COPY of the same rows, messages "
        f"included (target 3); {statistics.median(whole):.2f} with encoding\n"
    )


def _write_rows(at: Bench, parts: list[Prepared]) -> None:
    for part in parts:
        with at.engine.begin() as connection:
            copy_in(connection, "message_in", part.messages)
            connection.execute(statement("write_messages"), {"project_id": 1})
            copy_in(connection, "step_in", part.steps)
            connection.execute(statement("write_steps"), {"project_id": 1})


def _copy_all(at: Bench, parts: list[Prepared]) -> None:
    seen: set[tuple[object, ...]] = set()
    for part in parts:
        # A message comes as an answer and again as the next input; a bare COPY takes it once.
        fresh = [(*row, 1) for row in part.messages if row[:3] not in seen]
        seen.update(row[:3] for row in part.messages)
        with at.engine.begin() as connection:
            _copy_straight(connection, "step", STEP_COLUMNS, [(*r[:23], 1) for r in part.steps])
            _copy_straight(connection, "message", MESSAGE_COLUMNS, fresh)


def _copy_straight(
    connection: sa.Connection, table: str, columns: dict[str, str], part: list[rows.Row]
) -> None:
    raw = connection.connection.driver_connection
    assert raw is not None
    copying = f"copy {table} ({', '.join(columns)}) from stdin (format binary)"
    with raw.cursor() as cursor, cursor.copy(copying) as copy:
        copy.set_types(list(columns.values()))
        for row in part:
            copy.write_row(row)


def disk(at: Bench) -> None:
    """Bytes a step on disk, by the length of the run."""
    print(f"{'steps':>6} {'bytes/step':>11}")
    sizes: dict[int, float] = {}
    for length in (5, 20, 50, 100, 200):
        with at.engine.begin() as connection:
            connection.execute(sa.text("truncate step, message, trajectory, job"))
        count = 4000 // length
        runs = [list(conversation(length // 2, name=f"d{length}-{n}")) for n in range(count)]
        write_all(Writer(at.engine), interleaved(runs))
        with at.engine.connect() as connection:
            total = connection.execute(
                sa.text("""
                    select sum(pg_total_relation_size(inhrelid)) from pg_inherits
                    join pg_class p on p.oid = inhparent
                    where p.relname in ('step', 'message', 'trajectory')""")
            ).scalar_one()
        sizes[length] = float(total) / sum(len(r) for r in runs)
        print(f"{length:>6} {sizes[length]:>11.0f}")
    print(f"200 steps: {sizes[200] / sizes[5]:.2f} times 5 steps (target 1.2)\n")


def scoring(at: Bench) -> None:
    """Scores with exact counters beside plain inserts of the same rows."""

    def verdicts(round_: int) -> list[Verdict]:
        return [
            Verdict(
                trace_id(f"s{round_}-{n}"), NOW_NS + n * SECOND // 50, 1 + n % 20, 1 + n % 10,
                Score.failed("x" * 60, step=span_id(n)) if n % 20 == 0
                else Score.passed("fine", step=span_id(n)),
            )
            for n in range(20_000)
        ]  # fmt: skip

    def write(given: list[Verdict]) -> None:
        for i in range(0, len(given), BATCH):
            with at.engine.begin() as connection:
                scores.write(connection, 1, given[i : i + BATCH])

    def insert(given: list[Verdict]) -> None:
        for i in range(0, len(given), BATCH):
            with at.engine.begin() as connection:
                copy_in(connection, "score_in", [scores._row(v) for v in given[i : i + BATCH]])
                connection.execute(
                    sa.text("""
                        insert into score (project_id, trace_id, span_id, evaluator_id, started_at,
                          cohort_id, outcome, value, label, explanation, evidence, scored_by,
                          cost_usd)
                        select 2, trace_id, span_id, evaluator_id, started_at, cohort_id, outcome,
                          value, label, explanation, evidence::jsonb, scored_by, cost_usd
                        from score_in""")
                )

    ratios = []
    for round_ in range(5):
        given = verdicts(round_)
        plain, ours = at.cost(partial(insert, given)), at.cost(partial(write, given))
        ratios.append(ours.total / plain.total)
    per = ours.total * 1e6 / len(given)
    print(
        f"scores with counters: {per:.1f} ms CPU per 1,000, "
        f"{statistics.median(ratios):.2f} times plain inserts (target 2)\n"
    )


def claiming(at: Bench) -> None:
    """Jobs claimed and finished per CPU second, in batches of a hundred."""
    count = 20_000
    with at.engine.begin() as connection:
        connection.execute(sa.text("truncate job"))
        jobs.enqueue(
            connection, 1, Queue.TRACE, [(trace_id(f"j{n}"), None, 0, DAY) for n in range(count)]
        )
        connection.execute(sa.text("analyze job"))

    def drain() -> None:
        while True:
            with at.engine.begin() as connection:
                claimed = jobs.claim(connection, Queue.TRACE, most=100)
            if not claimed:
                return
            with at.engine.begin() as connection:
                jobs.finish(connection, claimed)

    cost = at.cost(drain)
    print(f"jobs claimed and finished: {count / cost.total:,.0f} per CPU second\n")


def reading(at: Bench, count: int) -> None:
    """A day's heatmap from counters, and the newest failures of one cell, over many scores."""
    days = 30
    ensure_days(at.engine, [DAY - dt.timedelta(days=n) for n in range(days + 1)])
    with at.engine.begin() as connection:
        connection.execute(sa.text("truncate score, score_hour, score_day"))
        connection.execute(
            sa.text("""
                insert into score (project_id, trace_id, span_id, evaluator_id, started_at,
                  cohort_id, outcome, value)
                select 1, md5((g / 20)::text)::uuid, g, 1 + g % 10,
                  cast(:end as timestamptz) - (g % (:days * 86400)) * interval '1 second',
                  1 + (g / 10) % 60, (g % 20 > 0)::int, 1
                from generate_series(1, :count) g"""),
            {"end": NOW, "days": days, "count": count},
        )
        scores.recount(connection, 1, NOW - dt.timedelta(days=days + 1))
        connection.execute(sa.text("analyze"))
    _timed(
        at,
        f"24 h heatmap over {count:,} scores",
        """select cohort_id, evaluator_id, sum(n), sum(n_fail), sum(value_sum) from score_hour
           where project_id = 1 and bucket >= :since group by 1, 2""",
        50,
    )
    _timed(
        at,
        "newest failures of one cell",
        """select trace_id, span_id, started_at from score where project_id = 1
           and cohort_id = 7 and evaluator_id = 1 and outcome = 0 and started_at >= :since
           order by started_at desc limit 20""",
        5,
    )


def _timed(at: Bench, what: str, query: str, target: float) -> None:
    times = []
    with at.engine.connect() as connection:
        for _ in range(30):
            began = time.perf_counter()
            connection.execute(sa.text(query), {"since": NOW - dt.timedelta(days=1)}).all()
            times.append((time.perf_counter() - began) * 1000)
    print(f"{what}: median {statistics.median(times):.2f} ms (target {target})")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--scores", type=int, default=5_000_000)
    count = parser.parse_args().scores
    parts: list[Callable[[Bench], None]] = [writing, disk, scoring, claiming]
    with bench() as at:
        for part in parts:
            part(at)
        reading(at, count)


if __name__ == "__main__":
    main()
