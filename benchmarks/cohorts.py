"""Five million scores: how fast rates, lines, comparisons and previews answer.

`python -m benchmarks.cohorts` fills a database of its own (about two minutes) and prints CPU
seconds of client and server for each question.
"""

import argparse
import datetime as dt
from collections.abc import Callable

import sqlalchemy as sa

from benchmarks.measure import Bench, bench
from waypost.store import rates, run_rates, scores
from waypost.store.partitions import ensure_days
from waypost.store.rates import DAY, HOUR, Window

NOW = dt.datetime.now(dt.UTC).replace(minute=30, second=0, microsecond=0)
COHORTS, JUDGES, DAYS = 200, 10, 30
Question = Callable[[sa.engine.Connection], object]

_COHORTS = sa.text("""
    insert into cohort (project_id, attrs, key)
    select 1, jsonb_build_object('model', 'm' || n % 4, 'region', 'r' || n % 5,
      'prompt_version', 'v' || n % 10, 'tenant', 't' || n), sha256(n::text::bytea)
    from generate_series(1, cast(:cohorts as bigint)) as n""")
_SCORES = sa.text("""
    insert into score (project_id, trace_id, span_id, evaluator_id, started_at, cohort_id, outcome,
      value)
    select 1, md5((n / 50)::text)::uuid, n % 50 + 1, n % cast(:judges as bigint) + 1,
      cast(:now as timestamptz) - (n::float8 / :total) * make_interval(days => :days),
      (n / 50) % cast(:cohorts as bigint) + 1, case when hashint8(n) % 20 = 0 then 0 else 1 end, 0.5
    from generate_series(cast(:first as bigint), cast(:last as bigint)) as n""")


def fill(store: Bench, total: int) -> None:
    """The scores in slices, then their counters by the command that rebuilds them."""
    ensure_days(store.engine, [NOW.date() - n * DAY for n in range(-1, DAYS + 2)])
    with store.engine.begin() as connection:
        connection.execute(_COHORTS, {"cohorts": COHORTS})
        names = [(f"judge{n}", "1", "code") for n in range(JUDGES)]
        scores.evaluator_ids(connection, 1, names)
    for first in range(0, total, 250_000):
        with store.engine.begin() as connection:
            connection.execute(
                _SCORES,
                {"first": first, "last": min(first + 250_000, total) - 1, "total": total,
                 "now": NOW, "days": DAYS, "cohorts": COHORTS, "judges": JUDGES},
            )  # fmt: skip
    with store.engine.begin() as connection:
        scores.recount(connection, 1, NOW - (DAYS + 1) * DAY)
    with store.engine.connect() as connection:
        connection.execution_options(isolation_level="AUTOCOMMIT").execute(sa.text("analyze"))


def questions() -> dict[str, Question]:
    day, month = Window(NOW - DAY, NOW), Window(NOW - DAYS * DAY, NOW)
    keys = ["model", "region", "prompt_version"]
    return {
        "heatmap of a day by three keys": lambda c: rates.by_cohort(c, 1, day, keys=keys),
        "heatmap of 30 days by three keys": lambda c: rates.by_cohort(c, 1, month, keys=keys),
        "one cell of a day": lambda c: rates.by_cohort(
            c, 1, day, evaluators=["judge1"], where={"tenant": "t7"}
        ),
        "line of a day by the hour": lambda c: rates.series(c, 1, day, "judge1", step=HOUR),
        "line of 30 days by the day": lambda c: rates.series(c, 1, month, "judge1", step=DAY),
        "a day against the day before": lambda c: rates.compare(c, 1, day.before, day, keys=keys),
        "newest failing of a cell": lambda c: rates.newest_failing(
            c, 1, day, evaluator="judge1", where={"tenant": "t7"}
        ),
        "runs of 30 days": lambda c: run_rates.by_cohort(c, 1, month, keys=keys),
    }


def report(total: int) -> None:
    with bench() as store:
        fill(store, total)
        print(f"{total:,} scores, {COHORTS} cohorts, {JUDGES} evaluators, {DAYS} days\n")
        print(f"{'question':<36}{'client ms':>12}{'server ms':>12}")
        with store.engine.connect() as connection:
            for name, ask in questions().items():
                ask(connection)
                before = store.cpu()
                for _ in range(10):
                    ask(connection)
                took = store.cpu() - before
                print(f"{name:<36}{took.client * 100:>12.1f}{took.server * 100:>12.1f}", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--scores", type=int, default=5_000_000)
    report(parser.parse_args().scores)


if __name__ == "__main__":
    main()
