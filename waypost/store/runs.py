"""Whole runs: the spans of all their traces, put together."""

import datetime as dt
import uuid
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from operator import attrgetter

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from waypost.assembly import assemble
from waypost.records import Trajectory
from waypost.store import spans, traces, verdicts

_AT_ONCE = 20


def load(
    connection: Connection,
    project_id: int,
    trace_id: str,
    *,
    cohort_keys: Sequence[str] = (),
    now: int | None = None,
) -> Trajectory | None:
    """The whole run that this trace belongs to, over all its traces; None when unknown.

    With `now` (nanoseconds) a run without its end is running, or abandoned.
    """
    found = load_many(connection, project_id, [trace_id], cohort_keys=cohort_keys, now=now)
    return found.get(trace_id)


def load_many(
    connection: Connection,
    project_id: int,
    trace_ids: Sequence[str],
    *,
    cohort_keys: Sequence[str] = (),
    now: int | None = None,
) -> dict[str, Trajectory]:
    """The runs these traces belong to, by the trace asked for; unknown ones are left out."""
    found = _by_run(connection, project_id, trace_ids)
    if not found:
        return {}
    traces = sorted({t for group in found.values() for t, _ in group})
    since = min(day for group in found.values() for _, day in group)
    stored = spans.of_traces(connection, project_id, traces, since)
    steps, contents, said = defaultdict(list), defaultdict(list), defaultdict(list)
    for step in stored.steps:
        steps[step.trace_id].append(step)
    for content in stored.contents:
        contents[content.trace_id].append(content)
    for feedback in verdicts.of_traces(connection, project_id, traces, since):
        said[feedback.trace_id].append(feedback)
    runs: dict[str, Trajectory] = {}
    for group in found.values():
        own = sorted({t for t, _ in group})
        run = assemble(
            [s for t in own for s in steps[t]],
            contents=[c for t in own for c in contents[t]],
            feedback=[f for t in own for f in said[t]],
            cohort_keys=cohort_keys,
            now=now,
        )
        runs |= dict.fromkeys(own, run)
    return {trace: runs[trace] for trace in trace_ids if trace in runs}


def chosen(
    connection: Connection,
    project_id: int,
    wanted: traces.Filter,
    *,
    cohort_keys: Sequence[str] = (),
    most: int | None = None,
) -> Iterator[Trajectory]:
    """The runs a filter means, newest first, each once, a few in memory at a time."""
    after: tuple[dt.datetime, str] | None = None
    seen: set[str] = set()
    while most is None or len(seen) < most:
        page = traces.page(connection, project_id, wanted, after=after, most=_AT_ONCE)
        ids = [one.trace_id for one in page]
        found = load_many(connection, project_id, ids, cohort_keys=cohort_keys)
        for run in found.values():
            if run.id not in seen and (most is None or len(seen) < most):
                seen.add(run.id)
                yield run
        if len(page) < _AT_ONCE:
            return
        after = page[-1].first_at, page[-1].trace_id


def groups(
    connection: Connection, project_id: int, trace_ids: Sequence[str]
) -> dict[str, list[tuple[str, dt.date]]]:
    """The traces and days of the run that each of these traces belongs to."""
    found = _by_run(connection, project_id, trace_ids).values()
    known = {trace: group for group in found for trace, _ in group}
    return {trace: known[trace] for trace in trace_ids if trace in known}


def _by_run(
    connection: Connection, project_id: int, trace_ids: Sequence[str]
) -> Mapping[str, list[tuple[str, dt.date]]]:
    """The traces and days of each run: by its trajectory id, which a resumed run keeps."""
    rows = connection.execute(
        _BY_RUN, {"project_id": project_id, "traces": [uuid.UUID(t) for t in trace_ids]}
    )
    found: dict[str, list[tuple[str, dt.date]]] = defaultdict(list)
    for row in sorted(rows, key=attrgetter("first_at")):
        found[row.trajectory_id.hex].append((row.trace_id.hex, row.day))
    return found


# One look by key for each run: a planner that has no statistics of a new day yet would rather read
# all of its runs, and once for each asked for where it can have them in order.
_BY_RUN = sa.text("""
    select found.* from (
      select distinct id from unnest(array(
        select trajectory_id from trajectory
        where project_id = :project_id and trace_id = any(:traces))) as one (id)) as asked
    cross join lateral (
      select trajectory_id, trace_id, day, first_at from trajectory
      where project_id = :project_id and trajectory_id = asked.id offset 0) as found""")
