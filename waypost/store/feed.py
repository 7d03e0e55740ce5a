"""Runs that were settled or changed, counted once each: counters move by the difference.

Settling appends a row; one process at a time takes them, compares each run with what was
counted of it before, and moves the counters in the same transaction. So they are exact after
late spans, changed verdicts and moved cohorts, and writers never wait for one another.
"""

import datetime as dt
import math
import uuid
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from operator import attrgetter
from typing import Any

import orjson
import sqlalchemy as sa
from sqlalchemy.engine import Connection

from waypost.store.measures import HISTOGRAMS, Measure

_LOCK = 0x57415953
_HOUR = 3600
_COST_UNIT = 1e-6
# Of a session with more runs than fifty an hour for two days not all need be read: it is none.
_SESSION_RUNS = 2500


@dataclass(frozen=True, slots=True)
class Counted:
    """What the counters hold of one run: its measures, and by evaluator and cohort the scores.

    Scores are (failed, judged, abstained). `at` is when each part was first counted.
    """

    cohort_id: int
    hour: int
    measures: Mapping[int, tuple[int, float]]
    scores: Mapping[str, Mapping[int, tuple[int, int, int]]]
    at: Mapping[str, float] = field(default_factory=dict)

    def as_json(self) -> dict[str, object]:
        return {
            "c": self.cohort_id,
            "h": self.hour,
            "m": {str(k): list(v) for k, v in self.measures.items()},
            "s": {n: {str(c): list(v) for c, v in by.items()} for n, by in self.scores.items()},
            "at": dict(self.at),
        }

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> "Counted":
        return cls(
            value["c"],
            value["h"],
            {int(k): (n, total) for k, (n, total) in value["m"].items()},
            {
                name: {int(c): (k, n, a) for c, (k, n, a) in by.items()}
                for name, by in value["s"].items()
            },
            value["at"],
        )


@dataclass(frozen=True, slots=True)
class RunChange:
    """One run before and after: None is a run that is not counted."""

    trace_id: str
    session: str | None
    started_at: float
    before: Counted | None
    after: Counted | None


def note(
    connection: Connection,
    project_id: int,
    trace_ids: Iterable[str],
    *,
    now: dt.datetime | None = None,
) -> None:
    """Say that the scores of these runs changed without their being settled again."""
    connection.execute(
        sa.text("""
            insert into changed (project_id, trace_id, at)
            select :project_id, trace, coalesce(:now, now())
            from unnest(cast(:traces as uuid[])) as t (trace)"""),
        {"project_id": project_id, "traces": sorted(set(trace_ids)), "now": now},
    )


def is_ours(connection: Connection) -> bool:
    """Take the lock of whoever counts, until the transaction ends; False when another has it."""
    found = connection.execute(sa.text("select pg_try_advisory_xact_lock(:key)"), {"key": _LOCK})
    return bool(found.scalar())


def take(connection: Connection, *, most: int = 2000) -> dict[int, dict[str, float]]:
    """The next changed runs, by project and trace, each with the moment it was first noted."""
    rows = connection.execute(
        sa.text("""
            with next as (select id from changed order by id limit :most)
            delete from changed where id in (select id from next)
            returning project_id, trace_id, extract(epoch from at)::float8 as at"""),
        {"most": most},
    )
    found: dict[int, dict[str, float]] = defaultdict(dict)
    for row in rows:
        traces = found[row.project_id]
        traces[row.trace_id.hex] = min(row.at, traces.get(row.trace_id.hex, math.inf))
    return dict(found)


def count(connection: Connection, project_id: int, noted: Mapping[str, float]) -> list[RunChange]:
    """Bring the counters up to date for these runs; what changed, in order of arrival."""
    rows = _runs(connection, project_id, noted)
    if not rows:
        return []
    scores = _scores(connection, project_id, rows)
    changes, kept = [], []
    for run in _grouped(rows):
        arrived = min(noted.get(r.trace_id.hex, math.inf) for r in run)
        first = _first(run)
        for row in run:
            before = None if row.counted is None else Counted.from_json(row.counted)
            after = _target(row, run, scores, before, arrived) if row is first else None
            if after == before:
                continue
            kept.append((row, after))
            changes.append(
                RunChange(row.trace_id.hex, row.session_id, row.first_at.timestamp(), before, after)
            )
    _keep(connection, project_id, kept)
    _move(connection, project_id, changes)
    _see(connection, project_id, rows)
    return changes


def history(
    connection: Connection,
    project_id: int,
    since: dt.datetime,
    until: dt.datetime,
    *,
    part: str = "",
    each: int = 2000,
) -> Iterator[list[RunChange]]:
    """The counted runs of a period as if they came now, in order of arrival and in bounded lists.

    `part` is an evaluator, or empty for the run itself; of a run only that is read.
    """
    rows = connection.execute(
        _HISTORY.execution_options(yield_per=each),
        {
            "project_id": project_id, "since_day": since.date(), "until_day": until.date(),
            "since": since, "until": until, "part": part,
        },
    )  # fmt: skip
    for some in rows.partitions():
        yield [_as_if_new(row, part) for row in some]


def _as_if_new(row: Any, part: str) -> RunChange:
    counted = Counted.from_json(
        {
            "c": row.cohort_id, "h": row.hour, "m": row.measures or {},
            "s": {part: row.scores} if row.scores else {},
            "at": {part: row.arrived},
        }
    )  # fmt: skip
    return RunChange(row.trace_id.hex, row.session_id, row.first_at.timestamp(), None, counted)


_HISTORY = sa.text("""
    select trace_id, session_id, first_at, (counted -> 'c')::int as cohort_id,
      (counted -> 'h')::int as hour, counted -> 's' -> :part as scores,
      case when :part = '' then counted -> 'm' end as measures,
      (coalesce(counted -> 'at' -> :part, counted -> 'at' -> ''))::float8 as arrived
    from trajectory
    where project_id = :project_id and day >= :since_day and day <= :until_day
      and counted is not null and first_at >= :since and first_at < :until
    order by arrived, trace_id""")


def of_sessions(
    connection: Connection, project_id: int, sessions: Sequence[str], since: dt.datetime
) -> dict[str, dict[str, Counted]]:
    """What is counted of the newest runs of these sessions, by session and trace."""
    rows = connection.execute(
        sa.text("""
            select s.session_id, t.trace_id, t.counted
            from unnest(cast(:sessions as text[])) as s (session_id)
            cross join lateral (
              select trace_id, counted from trajectory
              where project_id = :project_id and session_id = s.session_id
                and day >= :day and counted is not null
              order by first_at desc limit :most) as t"""),
        {
            "project_id": project_id, "sessions": list(sessions), "day": since.date(),
            "most": _SESSION_RUNS,
        },
    )  # fmt: skip
    found: dict[str, dict[str, Counted]] = defaultdict(dict)
    for row in rows:
        found[row.session_id][row.trace_id.hex] = Counted.from_json(row.counted)
    return found


def _runs(connection: Connection, project_id: int, noted: Mapping[str, float]) -> list[Any]:
    """The rows of these runs, locked in the order in which everybody locks them."""
    rows = connection.execute(
        sa.text("""
            select trajectory_id, trace_id, day, first_at, session_id, cohort_id, steps, errors,
              agent, tokens_in, tokens_out, cost_usd, measures, counted
            from trajectory
            where project_id = :project_id and trajectory_id in (
              select trajectory_id from trajectory
              where project_id = :project_id and trace_id = any(cast(:traces as uuid[])))
            order by trace_id, day
            for no key update"""),
        {"project_id": project_id, "traces": list(noted)},
    )
    return sorted(rows, key=attrgetter("first_at", "trace_id", "day"))


def _scores(
    connection: Connection, project_id: int, rows: Sequence[Any]
) -> dict[str, dict[str, dict[int, tuple[int, int, int]]]]:
    """Failed, judged and abstained by trace, evaluator and cohort."""
    found = connection.execute(
        sa.text("""
            select s.trace_id, s.cohort_id, e.name,
              count(*) filter (where s.outcome = 0) as failed,
              count(*) filter (where s.outcome in (0, 1)) as judged,
              count(*) filter (where s.outcome = 2) as abstained
            from score s join evaluator e on e.id = s.evaluator_id
            where s.project_id = :project_id and s.trace_id = any(cast(:traces as uuid[]))
              and s.started_at >= :since and s.counts
            group by s.trace_id, s.cohort_id, e.name"""),
        {
            "project_id": project_id,
            "traces": [r.trace_id for r in rows],
            "since": min(r.first_at for r in rows) - dt.timedelta(days=1),
        },
    )
    by_trace: dict[str, dict[str, dict[int, tuple[int, int, int]]]] = {}
    for row in found:
        judges = by_trace.setdefault(row.trace_id.hex, {})
        judges.setdefault(row.name, {})[row.cohort_id] = (row.failed, row.judged, row.abstained)
    return by_trace


def _grouped(rows: Sequence[Any]) -> list[list[Any]]:
    groups: dict[uuid.UUID, list[Any]] = defaultdict(list)
    for row in rows:
        groups[row.trajectory_id].append(row)
    return list(groups.values())


def _first(run: Sequence[Any]) -> Any:
    """The row that holds what the whole run adds up to."""
    return next((row for row in run if row.measures is not None), None)


def _target(
    row: Any,
    run: Sequence[Any],
    scores: Mapping[str, Mapping[str, Mapping[int, tuple[int, int, int]]]],
    before: Counted | None,
    arrived: float,
) -> Counted | None:
    has_crashed = row.errors and row.agent  # before its first step
    if row.cohort_id is None or (row.steps <= 0 and not has_crashed):
        return None
    total: dict[str, dict[int, tuple[int, int, int]]] = {}
    for trace in {r.trace_id.hex for r in run}:
        for name, by in scores.get(trace, {}).items():
            for cohort, (k, n, a) in by.items():
                ours = total.setdefault(name, {})
                was = ours.get(cohort, (0, 0, 0))
                ours[cohort] = (was[0] + k, was[1] + n, was[2] + a)
    known = {} if before is None else before.at
    at = {name: known.get(name, arrived) for name in ("", *sorted(total))}
    hour = int(row.first_at.timestamp()) // _HOUR * _HOUR
    return Counted(row.cohort_id, hour, _measured(row), total, at)


def _measured(row: Any) -> dict[int, tuple[int, float]]:
    more: Mapping[str, Any] = row.measures
    numbers = {
        Measure.ERRORS: row.errors,
        Measure.RETRIES: more["retries"],
        Measure.BLOCKS: more["blocks"],
        Measure.FALLBACKS: more["fallbacks"],
        Measure.THUMBS_DOWN: more["thumbs_down"],
        Measure.ESCALATIONS: more["escalations"],
        Measure.TICKETS: more["tickets"],
        Measure.OVERRIDES: more["overrides"],
    }
    amounts = {
        Measure.LATENCY: more["latency_ms"],
        Measure.TOKENS: row.tokens_in + row.tokens_out,
        Measure.COST: row.cost_usd,
    }
    found = {int(m): (1, float(v)) for m, v in numbers.items() if v}
    found[int(Measure.RUNS)] = (1, float(row.steps))
    for measure, amount in amounts.items():
        if amount:
            found[int(measure)] = (1, round(float(amount), 9))
            found[bucket_of(measure, float(amount))] = (1, 0.0)
    return found


def bucket_of(measure: Measure, amount: float) -> int:
    """The histogram bucket of a latency (ms), a number of tokens or a cost (dollars)."""
    unit = _COST_UNIT if measure is Measure.COST else 1.0
    place = math.floor(4 * math.log2(max(amount / unit, 1.0)))
    return HISTOGRAMS[measure] + min(place, 500)


def bucket_ends(measure: Measure, bucket: int) -> tuple[float, float]:
    """The amounts between which a bucket's runs lie."""
    unit = _COST_UNIT if measure is Measure.COST else 1.0
    place = bucket - HISTOGRAMS[measure]
    return unit * 2 ** (place / 4), unit * 2 ** ((place + 1) / 4)


def _keep(
    connection: Connection, project_id: int, kept: Sequence[tuple[Any, Counted | None]]
) -> None:
    if not kept:
        return
    connection.execute(
        sa.text("""
            update trajectory t set counted = c.counted
            from jsonb_to_recordset(cast(:kept as jsonb))
              as c (trace_id uuid, day date, counted jsonb)
            where t.project_id = :project_id and t.trace_id = c.trace_id and t.day = c.day"""),
        {
            "project_id": project_id,
            "kept": orjson.dumps(
                [
                    {"trace_id": row.trace_id, "day": row.day,
                     "counted": None if after is None else after.as_json()}
                    for row, after in kept
                ]
            ).decode(),
        },
    )  # fmt: skip


def _move(connection: Connection, project_id: int, changes: Sequence[RunChange]) -> None:
    for table, size in (("hours", _HOUR), ("days", 24 * _HOUR)):
        moved: dict[tuple[int, int, int], list[float]] = defaultdict(lambda: [0, 0.0])
        for change in changes:
            for counted, sign in ((change.before, -1), (change.after, 1)):
                _add(moved, counted, sign, size)
        ordered = sorted((key, by) for key, by in moved.items() if by[0] or by[1])
        if ordered:
            connection.execute(
                _MOVE[table],
                {
                    "project_id": project_id,
                    "buckets": [dt.datetime.fromtimestamp(k[0], dt.UTC) for k, _ in ordered],
                    "cohorts": [k[1] for k, _ in ordered],
                    "measures": [k[2] for k, _ in ordered],
                    "ns": [int(by[0]) for _, by in ordered],
                    "totals": [by[1] for _, by in ordered],
                },
            )


def _add(
    moved: dict[tuple[int, int, int], list[float]], counted: Counted | None, sign: int, size: int
) -> None:
    if counted is None:
        return
    bucket = counted.hour // size * size
    for measure, (n, total) in counted.measures.items():
        by = moved[bucket, counted.cohort_id, measure]
        by[0] += sign * n
        by[1] += sign * total


_MOVE_HOURS = """
    insert into run_hour (project_id, bucket, cohort_id, measure, n, total)
    select :project_id, bucket, cohort_id, measure, n, total
    from unnest(cast(:buckets as timestamptz[]), cast(:cohorts as int[]),
      cast(:measures as smallint[]), cast(:ns as bigint[]), cast(:totals as float8[]))
      as t (bucket, cohort_id, measure, n, total)
    on conflict (project_id, bucket, cohort_id, measure) do update set
      n = run_hour.n + excluded.n, total = run_hour.total + excluded.total"""
_MOVE = {
    "hours": sa.text(_MOVE_HOURS),
    "days": sa.text(_MOVE_HOURS.replace("run_hour", "run_day")),
}


def _see(connection: Connection, project_id: int, rows: Sequence[Any]) -> None:
    """Remember when each prompt, model, policy and tool version came first."""
    seen: dict[tuple[str, str, str], dt.datetime] = {}
    for row in rows:
        for kind, name, version in (row.measures or {}).get("versions", ()):
            key = (kind, name, version)
            seen[key] = min(row.first_at, seen.get(key, row.first_at))
    if seen:
        connection.execute(
            sa.text("""
                insert into first_seen (project_id, kind, name, version, at)
                select :project_id, kind, name, version, at
                from unnest(cast(:kinds as text[]), cast(:names as text[]),
                  cast(:versions as text[]), cast(:ats as timestamptz[]))
                  as t (kind, name, version, at)
                on conflict (project_id, kind, name, version) do update set at = excluded.at
                where excluded.at < first_seen.at"""),
            {
                "project_id": project_id,
                "kinds": [k for k, _, _ in seen],
                "names": [n for _, n, _ in seen],
                "versions": [v for _, _, v in seen],
                "ats": list(seen.values()),
            },
        )
