"""The items behind a fail rate with what is known of each, and what explains their failures."""

import datetime as dt
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import sqlalchemy as sa
from sqlalchemy.engine import Connection

from waypost import slices
from waypost.changes import Cause, ChangePoint, Version, causes, change_point
from waypost.records import Status
from waypost.slices import Slice
from waypost.store import cohorts
from waypost.store.codec import KINDS, STATUS_CODE
from waypost.store.rates import Where, Window, asked
from waypost.store.rows import span_text
from waypost.store.sql import chosen

MOST = 40_000
_OTHER_LABELS = 8
_CAUSES = 5
NEAR = dt.timedelta(minutes=30)


@dataclass(frozen=True, slots=True)
class Items:
    """Judged steps or runs in order of time: outcome, session, and columns of attribute values."""

    times: list[dt.datetime]
    failed: list[bool]
    sessions: list[str]
    traces: list[str]
    columns: dict[str, list[str | None]]
    versions: dict[Version, list[int]]

    def among(self, keys: Sequence[str], labels: Collection[tuple[str, ...]]) -> "Items":
        """Those of these cohorts: one value for each key, empty where a cohort has none."""
        wanted, nothing = set(labels), [None] * len(self.times)
        values = zip(*(self.columns.get(key, nothing) for key in keys), strict=True)
        return self._only(
            [n for n, own in enumerate(values) if tuple(v or "" for v in own) in wanted]
        )

    def before(self, moment: dt.datetime) -> "Items":
        """Those that began before a moment."""
        return self._only([n for n, at in enumerate(self.times) if at < moment])

    def _only(self, found: Sequence[int]) -> "Items":
        places = {old: new for new, old in enumerate(found)}
        return Items(
            [self.times[n] for n in found],
            [self.failed[n] for n in found],
            [self.sessions[n] for n in found],
            [self.traces[n] for n in found],
            {key: [column[n] for n in found] for key, column in self.columns.items()},
            {v: [places[n] for n in at if n in places] for v, at in self.versions.items()},
        )


@dataclass(frozen=True, slots=True)
class Since:
    """Since when a cohort fails, and which versions came then."""

    point: ChangePoint | None
    causes: tuple[Cause, ...] = ()


@dataclass(frozen=True, slots=True)
class FirstBad:
    """The step that usually goes wrong first: its number, its kind and tool, and how often."""

    step: int
    kind: str
    tool: str | None
    runs: int
    of: int

    def __str__(self) -> str:
        what = f"{self.kind} {self.tool}" if self.tool else self.kind
        return f"step {self.step}, {what} ({self.runs} of {self.of} failing runs)"


def why(items: Items, *, most: int = 3, skip: Sequence[str] = ()) -> list[Slice]:
    """The slices in which failures gather; `skip` leaves out keys that are known already."""
    columns = {k: v for k, v in items.columns.items() if k not in skip}
    return slices.explain(columns, items.failed, items.sessions, most=most)


ERROR = "error"


def commonest_error(items: Items) -> str | None:
    """The class of error that most failing items have; it says what broke, not where."""
    classes = Counter(
        name
        for name, bad in zip(items.columns.get(ERROR, ()), items.failed, strict=False)
        if bad and name
    )
    if not classes:
        return None
    ((name, count),) = classes.most_common(1)
    return f"{name} ({count} of {sum(items.failed)})"


def since_when(connection: Connection, project_id: int, items: Items) -> Since:
    """The change point of these items beside the first appearances of versions."""
    point = change_point(items.times, items.failed, items.sessions)
    if point is None:
        return Since(None)
    seen = first_seen(
        connection, project_id,
        Window(point.low - dt.timedelta(days=1), point.high + dt.timedelta(days=1)),
    )  # fmt: skip
    carried = {}
    for version, places in items.versions.items():
        has = np.zeros(len(items.times), bool)
        has[places] = True
        carried[version] = has
    found = causes(items.times, items.failed, carried, seen, point)
    known = (c for c in found if c.evidence > 0 and c.what in items.versions)
    return Since(point, tuple(known)[:_CAUSES])


def came_near(
    connection: Connection,
    project_id: int,
    at: dt.datetime,
    items: Items,
    own: Collection[str],
) -> tuple[Cause, ...]:
    """What these items carry and first appeared about this moment, what the cohort names first."""
    seen = first_seen(connection, project_id, Window(at - NEAR, at + NEAR))
    carried = [one for one in seen.items() if one[0] in items.versions]
    known = sorted(carried, key=lambda one: (one[0][2] not in own, one[1]))
    return tuple(Cause(*version, first, 0.0, None, None) for version, first in known[:_CAUSES])


def first_seen(
    connection: Connection, project_id: int, window: Window
) -> dict[Version, dt.datetime]:
    """The versions that first appeared in a window: prompts, models, policies, tools, judges."""
    rows = connection.execute(
        sa.text("""
            select kind, name, version, at from first_seen
            where project_id = :project_id and at >= :since and at < :until
            union all
            select 'evaluator', name, version, first_at from evaluator
            where project_id = :project_id and first_at >= :since and first_at < :until
            order by at"""),
        {"project_id": project_id, "since": window.since, "until": window.until},
    )
    return {(row.kind, row.name, row.version): row.at for row in rows}


def of_evaluator(
    connection: Connection,
    project_id: int,
    window: Window,
    evaluator: str,
    *,
    where: Where | None = None,
    keys: Sequence[str] = (),
    abstained: bool = False,
    most: int = MOST,
) -> Items:
    """Every verdict of one evaluator in a window, newest `most`, with what is known of its step.

    What is sought is failures of those judged, or with `abstained` the verdicts not given.
    """
    rows = list(
        connection.execute(
            _VERDICTS,
            {
                **asked(project_id, [evaluator], where, keys),
                "since": window.since, "until": window.until, "most": most,
                "since_day": window.since.date() - dt.timedelta(days=1),
                "bad": 2 if abstained else 0, "asked": [0, 1, 2] if abstained else [0, 1],
            },
        )
    )[::-1]  # fmt: skip
    items = _items(connection, project_id, rows)
    for place, row in enumerate(rows):  # a changed judge is a cause of its own verdicts alone
        items.versions.setdefault(("evaluator", evaluator, row.version), []).append(place)
    _add_steps(items, rows)
    _add_labels(connection, project_id, items, rows, window)
    return items


def of_runs(
    connection: Connection,
    project_id: int,
    window: Window,
    measure: int,
    *,
    where: Where | None = None,
    keys: Sequence[str] = (),
    over: float | None = None,
    most: int = MOST,
) -> Items:
    """Every counted run of a window: failed is having the measure, or more of it than `over`."""
    rows = list(
        connection.execute(
            _RUNS,
            {
                **asked(project_id, None, where, keys),
                "since": window.since, "until": window.until, "most": most,
                "since_day": window.since.date(), "measure": str(measure), "over": over,
            },
        )
    )[::-1]  # fmt: skip
    items = _items(connection, project_id, rows)
    items.columns[ERROR] = [
        next(iter(sorted((row.faults or {}).values())), None) for row in rows
    ]  # fmt: skip
    return items


def first_bad_step(
    connection: Connection,
    project_id: int,
    traces: Sequence[str],
    since: dt.datetime,
    *,
    evaluator: str | None = None,
    of_errors: bool = False,
) -> FirstBad | None:
    """Of these failing runs, the step that is most often the first bad one.

    That is the first step `evaluator` failed, or with `of_errors` the first with an error; where
    there is none, the first that any evaluator failed.
    """
    rows = connection.execute(
        _FIRST_BAD,
        {
            "project_id": project_id, "traces": list(traces)[:500], "day": since.date(),
            "kinds": [code for code, kind in enumerate(KINDS) if kind.is_step],
            "evaluator": evaluator, "of_errors": of_errors,
            "errors": STATUS_CODE[Status.ERROR],
        },
    ).all()  # fmt: skip
    if not rows:
        return None
    best = rows[0]
    return FirstBad(
        best.number, str(KINDS[best.kind]), best.tool, best.runs, sum(r.runs for r in rows)
    )


_FIRST_BAD = sa.text("""
    with run as (
      select trace_id, first_at, first_bad_step from trajectory
      where project_id = :project_id and trace_id = any(cast(:traces as uuid[])) and day >= :day
        and steps > 0
    ),
    own as (
      select distinct on (b.trace_id) b.trace_id, b.started_at
      from (
        select s.trace_id, s.started_at
        from score s join evaluator e on e.id = s.evaluator_id
        where s.project_id = :project_id and s.trace_id = any(cast(:traces as uuid[]))
          and s.started_at >= :day and s.outcome = 0 and s.counts and s.span_id <> 0
          and e.name = :evaluator
        union all
        select trace_id, started_at from step
        where :of_errors and project_id = :project_id
          and trace_id = any(cast(:traces as uuid[])) and started_at >= :day
          and status = :errors and kind = any(:kinds)) as b
      order by b.trace_id, b.started_at
    ),
    bad as (
      select r.trace_id, r.first_at, case when own.trace_id is null then r.first_bad_step else (
          select count(*) from step s
          where s.project_id = :project_id and s.trace_id = r.trace_id
            and s.started_at >= r.first_at and s.started_at <= own.started_at
            and s.kind = any(:kinds)) end as number
      from run r left join own using (trace_id)
    )
    select bad.number, s.kind, s.tool, count(*) as runs
    from bad
    cross join lateral (
      select kind, tool from step s
      where s.project_id = :project_id and s.trace_id = bad.trace_id
        and s.started_at >= bad.first_at and s.kind = any(:kinds)
      order by s.started_at offset greatest(bad.number - 1, 0) limit 1) as s
    where bad.number is not null
    group by 1, 2, 3 order by runs desc, 1 limit 20""")


def _items(connection: Connection, project_id: int, rows: Sequence[Any]) -> Items:
    named = cohorts.named(connection, project_id, {r.cohort_id for r in rows if r.cohort_id})
    keys = sorted({key for values in named.values() for key in values})
    versions: dict[Version, list[int]] = {}
    for place, row in enumerate(rows):
        for kind, name, version in row.versions or ():
            versions.setdefault((kind, name, version), []).append(place)
    return Items(
        times=[row.started_at for row in rows],
        failed=[bool(row.failed) for row in rows],
        sessions=[row.session_id or row.trace_id.hex for row in rows],
        traces=[row.trace_id.hex for row in rows],
        columns={key: [named.get(row.cohort_id, {}).get(key) for row in rows] for key in keys},
        versions=versions,
    )


def _add_steps(items: Items, rows: Sequence[Any]) -> None:
    """Columns of the judged step: its kind, its tool, the class of its error."""
    items.columns["step kind"] = [
        None if row.kind is None else str(KINDS[row.kind]) for row in rows
    ]
    items.columns["tool"] = [row.tool for row in rows]
    items.columns[ERROR] = [
        (row.faults or {}).get(span_text(row.span_id)) if row.span_id else None for row in rows
    ]


def _add_labels(
    connection: Connection, project_id: int, items: Items, rows: Sequence[Any], window: Window
) -> None:
    """Columns of what other evaluators called the same step; its own label would say nothing."""
    own = {row.evaluator_id for row in rows}
    found = connection.execute(
        sa.text("""
            select s.trace_id, s.span_id, e.name, s.label
            from score s join evaluator e on e.id = s.evaluator_id
            where s.project_id = :project_id and s.trace_id = any(:traces)
              and s.started_at >= :since and s.started_at < :until
              and s.label is not null and not s.evaluator_id = any(:own)"""),
        {
            "project_id": project_id, "traces": list({row.trace_id for row in rows}),
            "since": window.since, "until": window.until, "own": sorted(own),
        },
    )  # fmt: skip
    labels: dict[str, dict[tuple[object, int], str]] = {}
    for row in found:
        labels.setdefault(row.name, {})[row.trace_id, row.span_id] = row.label
    for name in sorted(labels, key=lambda n: -len(labels[n]))[:_OTHER_LABELS]:
        known: Mapping[tuple[object, int], str] = labels[name]
        items.columns[f"{name} label"] = [known.get((r.trace_id, r.span_id)) for r in rows]


_VERDICTS = chosen("""
    select s.trace_id, s.span_id, s.started_at, s.outcome = :bad as failed, s.cohort_id,
      s.evaluator_id, e.version, st.kind, st.tool, t.session_id, t.measures -> 'faults' as faults,
      t.measures -> 'versions' as versions
    from (
      select trace_id, span_id, started_at, outcome, cohort_id, evaluator_id
      from score
      where project_id = :project_id and outcome = any(:asked) and counts
        and started_at >= :since and started_at < :until
        and evaluator_id in (
          select id from evaluator
          where project_id = :project_id and name = any(cast(:evaluators as text[])))
        and {chosen}
      order by started_at desc
      limit :most) as s
    join evaluator e on e.id = s.evaluator_id
    left join step st on st.project_id = :project_id and st.trace_id = s.trace_id
      and st.span_id = s.span_id and st.started_at = s.started_at
    left join trajectory t on t.project_id = :project_id and t.trace_id = s.trace_id
      and t.day >= :since_day and t.measures is not null
    order by s.started_at desc""")

_RUNS = chosen("""
    select trace_id, first_at as started_at, cohort_id, session_id,
      measures -> 'faults' as faults, measures -> 'versions' as versions,
      case when cast(:over as float8) is null then counted -> 'm' -> :measure is not null
        else coalesce((counted -> 'm' -> :measure ->> 1)::float8, 0) > :over end as failed
    from trajectory
    where project_id = :project_id and day >= :since_day and counted is not null
      and first_at >= :since and first_at < :until
      and {chosen}
    order by first_at desc
    limit :most""")
