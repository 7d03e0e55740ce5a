"""Five million scores: how fast rates, lines and comparisons answer, and that alerts keep up.

`python -m benchmarks.cohorts` fills a database of its own and prints the CPU of client and server
for each question; then it lets the alert engine count and judge every run from nothing, tells an
incident, previews a rule over all days, and exits 1 if a run is left out or memory grows.
"""

import argparse
import datetime as dt
import sys
from collections.abc import Callable

import psutil
import sqlalchemy as sa

from benchmarks.measure import Bench, bench
from evaluators.alerts.engine import tick
from evaluators.alerts.message import compose
from evaluators.alerts.previews import history
from evaluators.alerts.rules import parse
from waypost.store import alerts, feedback_counts, rates, run_rates, scores
from waypost.store.audit import Actor
from waypost.store.incidents import Incident, Member
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


_RUNS = sa.text("""
    with run as (
      select n, md5(n::text)::uuid as trace_id,
        cast(:now as timestamptz) - ((n * 50 + 49)::float8 / :total) * make_interval(days => :days)
          as first_at
      from generate_series(0, cast(:total as bigint) / 50 - 1) as n),
    noted as (
      insert into changed (project_id, trace_id, at)
      select 1, trace_id, first_at from run order by first_at)
    insert into trajectory (project_id, trace_id, day, trajectory_id, first_at, last_at, settled_at,
      session_id, cohort_id, steps, errors, root_ended, measures)
    select 1, trace_id, (first_at at time zone 'UTC')::date, trace_id, first_at, first_at, first_at,
      'session ' || n / 3, n % cast(:cohorts as bigint) + 1, 50, (n % 20 = 0)::int, true,
      '{"retries": 0, "blocks": 0, "fallbacks": 0, "thumbs_down": 0, "escalations": 0,
        "tickets": 0, "overrides": 0, "latency_ms": 1200, "faults": {}, "versions": []}'
    from run""")
RULES = (
    {"name": "fails", "evaluator": "judge1", "by": ["tenant"]},
    {"name": "level", "evaluator": "judge2", "by": ["model", "region"], "level": 0.2},
    {"name": "errors", "rate": "errors", "by": ["tenant"]},
)


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


def asked(store: Bench) -> None:
    """What each question costs, on average of ten."""
    print(f"{'question':<36}{'client ms':>12}{'server ms':>12}")
    with store.engine.connect() as connection:
        for name, ask in questions().items():
            ask(connection)
            before = store.cpu()
            for _ in range(10):
                ask(connection)
            took = store.cpu() - before
            print(f"{name:<36}{took.client * 100:>12.1f}{took.server * 100:>12.1f}", flush=True)


def kept_up(store: Bench, total: int) -> bool:
    """Whether the engine counts and judges every run, and in bounded memory."""
    runs = total // 50
    with store.engine.begin() as connection:
        values = {"now": NOW, "total": total, "days": DAYS, "cohorts": COHORTS}
        connection.execute(_RUNS, values)
        for rule in RULES:
            alerts.save(connection, 1, rule, by=Actor("benchmark", "benchmark"))
    with store.engine.connect() as connection:
        connection.execution_options(isolation_level="AUTOCOMMIT").execute(sa.text("analyze"))
    process, counted, early = psutil.Process(), 0, 0
    before = store.cpu()
    while (ticked := tick(store.engine, NOW)).runs:
        counted += ticked.runs
        early = early or process.memory_info().rss
    took = store.cpu() - before
    grown = (process.memory_info().rss - early) >> 20
    print(f"\ncounted and judged {counted:,} runs by {len(RULES)} rules: "
          f"{took.client / counted * 1e6:.0f} ms of client and "
          f"{took.server / counted * 1e6:.0f} ms of server CPU per 1,000; "
          f"{grown:+} MiB of memory while at it")  # fmt: skip
    return counted == runs and grown < 200


def told(store: Bench) -> None:
    """An incident's whole message, and a rule run over all days."""
    project = Incident(
        1, 1, 1, "fails", "rate", "open", NOW, NOW - DAY, NOW, None, None, None, None, NOW, 0, {},
        (Member(("t7",), NOW, None, NOW - DAY, 9, 20, 0.05),),
    )  # fmt: skip
    with store.engine.connect() as connection:
        known = store.cost(lambda: compose(connection, parse(RULES[0]), project, NOW))
        since = NOW - DAYS * DAY
        ran = store.cost(lambda: history.run(connection, 1, RULES[0], since, NOW))
        month = Window(since, NOW)
        said = store.cost(lambda: feedback_counts.by_cohort(connection, 1, month, keys=["region"]))
    costs = {"a message about a day": known, f"preview of {DAYS} days": ran,
             f"complaints of {DAYS} days": said}  # fmt: skip
    for name, cpu in costs.items():
        print(f"{name:<36}{cpu.client * 1000:>12.0f}{cpu.server * 1000:>12.0f}")


def report(total: int) -> bool:
    with bench() as store:
        fill(store, total)
        print(f"{total:,} scores, {COHORTS} cohorts, {JUDGES} evaluators, {DAYS} days\n")
        asked(store)
        good = kept_up(store, total)
        told(store)
    print("Nothing was left out." if good else "Runs were left out, or memory grew.")
    return good


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--scores", type=int, default=5_000_000)
    sys.exit(0 if report(parser.parse_args().scores) else 1)


if __name__ == "__main__":
    main()
