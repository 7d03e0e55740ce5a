"""Runs written straight into the store, many at once, for tests of rates and alerts."""

import datetime as dt
import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import orjson
import sqlalchemy as sa
from sqlalchemy.engine import Connection

from waypost.records import Outcome, Score
from waypost.store import cohorts, feed, scores
from waypost.store.scores import Verdict


@dataclass(frozen=True, slots=True)
class Planted:
    """One run: when it began, its cohort, and by evaluator the outcome of each judged step."""

    name: str
    at: dt.datetime
    cohort: Mapping[str, str]
    outcomes: Mapping[str, tuple[Outcome, ...]] = field(default_factory=dict)
    session: str | None = None
    errors: int = 0
    latency_ms: float = 1000.0
    cost_usd: float = 0.01
    measures: Mapping[str, Any] = field(default_factory=dict)

    @property
    def trace(self) -> str:
        return hashlib.md5(self.name.encode()).hexdigest()


def verdict_of(fails: bool) -> tuple[Outcome, ...]:
    return (Outcome.FAILED if fails else Outcome.PASSED,)


def plant(
    connection: Connection,
    runs: Iterable[Planted],
    *,
    project: int = 1,
    now: dt.datetime | None = None,
) -> None:
    """Write these runs as the worker leaves them: settled, judged, and noted as changed."""
    planted = list(runs)
    ids = cohorts.ids(connection, project, [r.cohort for r in planted])
    judges = sorted({name for r in planted for name in r.outcomes})
    known = scores.evaluator_ids(connection, project, [(n, "1", "code") for n in judges])
    connection.execute(_RUNS, [_row(r, project, ids[cohorts.key_of(r.cohort)]) for r in planted])
    verdicts = [
        Verdict(
            r.trace, int((r.at.timestamp() + n) * 1e9), ids[cohorts.key_of(r.cohort)],
            known[name, "1"],
            Score(
                outcome, None if outcome is Outcome.ABSTAINED else float(outcome is Outcome.PASSED),
                explanation="planted", step=f"{n + 1:016x}",
            ),
        )
        for r in planted
        for name, outcomes in r.outcomes.items()
        for n, outcome in enumerate(outcomes)
    ]  # fmt: skip
    scores.write(connection, project, verdicts)
    for moment, group in _by_moment(planted, now):
        feed.note(connection, project, [r.trace for r in group], now=moment)


def _by_moment(
    planted: list[Planted], now: dt.datetime | None
) -> list[tuple[dt.datetime, list[Planted]]]:
    if now is not None:
        return [(now, planted)]
    return [(r.at + dt.timedelta(milliseconds=r.latency_ms), [r]) for r in planted]


def _row(run: Planted, project: int, cohort: int) -> dict[str, object]:
    zero = ("retries", "blocks", "fallbacks", "thumbs_down", "escalations", "tickets", "overrides")
    measures = {
        **dict.fromkeys(zero, 0), "latency_ms": run.latency_ms, "faults": {}, "versions": [],
        **run.measures,
    }  # fmt: skip
    return {
        "project": project,
        "trace": run.trace,
        "day": run.at.date(),
        "at": run.at,
        "last": run.at + dt.timedelta(milliseconds=run.latency_ms),
        "session": run.session,
        "cohort": cohort,
        "steps": max([1, *(len(o) for o in run.outcomes.values())]),
        "errors": run.errors,
        "fails": sum(o is Outcome.FAILED for by in run.outcomes.values() for o in by),
        "cost": run.cost_usd,
        "prompt": run.cohort.get("prompt_version"),
        "model": run.cohort.get("model"),
        "measures": orjson.dumps(measures).decode(),
    }


_RUNS = sa.text("""
    insert into trajectory (project_id, trace_id, day, trajectory_id, first_at, last_at, settled_at,
      session_id, cohort_id, steps, errors, fails, first_bad_step, tokens_in, tokens_out, cost_usd,
      prompt_version, model, root_ended, measures)
    values (:project, cast(:trace as uuid), :day, cast(:trace as uuid), :at, :last, :last,
      :session, :cohort, :steps, :errors, :fails, case when :fails > 0 then 1 end, 100, 50, :cost,
      :prompt, :model, true, cast(:measures as jsonb))
    on conflict (project_id, trace_id, day) do update set
      cohort_id = excluded.cohort_id, steps = excluded.steps, errors = excluded.errors,
      fails = excluded.fails, measures = excluded.measures, session_id = excluded.session_id,
      cost_usd = excluded.cost_usd""")


def count_all(connection: Connection, *, project: int = 1) -> list[feed.RunChange]:
    """Take and count everything that waits."""
    found: list[feed.RunChange] = []
    while waiting := feed.take(connection):
        found += feed.count(connection, project, waiting.get(project, {}))
    return found
