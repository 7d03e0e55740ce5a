"""What is to be forgotten: runs with all that was made of them. Counters keep their numbers."""

import time
import uuid
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import ARRAY, UUID
from sqlalchemy.engine import Connection, Engine

from waypost.errors import TookTooLong, WrongUse
from waypost.rates import plural
from waypost.roles import Person, Role
from waypost.store import audit, datasets, projects, snapshots
from waypost.store.tables import metadata

_BY_TRACE = (
    "trajectory", "step", "message", "content", "score", "review", "job", "job_dead", "changed",
)  # fmt: skip
_LOOK_AGAIN = 0.2
_PATIENCE = 330.0  # a lease and a little more
KEYS_KNOWN = 6.0  # for so long a collector may take a key that is gone


@dataclass(frozen=True, slots=True)
class Wanted:
    """Whose runs: these runs or traces, sessions or users, by the ids that are stored."""

    traces: tuple[str, ...] = ()
    sessions: tuple[str, ...] = ()
    users: tuple[str, ...] = ()


@dataclass(slots=True)
class Found:
    """What is stored of it: runs with their traces, and the cases made of them."""

    traces: set[str]
    sessions: set[str]
    cases: set[int]
    runs: set[str] = field(default_factory=set)
    steps: int = 0

    @property
    def is_nothing(self) -> bool:
        return not (self.runs or self.cases)

    def __str__(self) -> str:
        said = f"{plural(len(self.runs), 'run')} with {plural(self.steps, 'step')}"
        return f"{said} and {plural(len(self.cases), 'case')}" if self.cases else said


def find(connection: Connection, project_id: int, wanted: Wanted) -> Found:
    """What is stored of what is wanted; the runs that trials made of its cases belong to it."""
    cases = set(_cases_by_body(connection, project_id, wanted))
    found = Found(set(wanted.traces), set(wanted.sessions), cases)
    size = -1
    while size < len(found.traces) + len(found.cases):
        size = len(found.traces) + len(found.cases)
        _add_runs(connection, project_id, wanted, found)
        given = {"project_id": project_id, "traces": _ids(found.traces)}
        found.cases |= set(connection.execute(_CASES, given).scalars())
        of_cases = {"project_id": project_id, "cases": sorted(found.cases)}
        found.traces |= {trace.hex for trace in connection.execute(_TRACES, of_cases).scalars()}
    return found


def _add_runs(connection: Connection, project_id: int, wanted: Wanted, found: Found) -> None:
    given = {
        "project_id": project_id, "traces": _ids(found.traces), "sessions": list(wanted.sessions),
        "users": list(wanted.users),
    }  # fmt: skip
    found.steps = 0
    for row in connection.execute(_RUNS, given):
        found.runs.add(row.trajectory_id.hex)
        found.traces.add(row.trace_id.hex)
        found.steps += row.steps
        if row.session_id is not None and row.user_id in wanted.users:
            found.sessions.add(row.session_id)


_RUNS = sa.text("""
    select trace_id, trajectory_id, session_id, user_id, steps from trajectory
    where project_id = :project_id and trajectory_id in (
      select trajectory_id from trajectory
      where project_id = :project_id and (
        trace_id = any(:traces) or trajectory_id = any(:traces)
        or session_id = any(:sessions) or user_id = any(:users)))""")
_CASES = sa.text("""
    select c.id from dataset_case c join dataset d on d.id = c.dataset_id
    where d.project_id = :project_id and c.trace_id = any(:traces)""")
_BODIES = sa.text("""
    select c.id, c.enc, c.body from dataset_case c join dataset d on d.id = c.dataset_id
    where d.project_id = :project_id""")
# Of the cases themselves, because reviews outlive runs too, and of what trials made of them.
_TRACES = sa.text("""
    with held as (
      select c.dataset_id, c.key, c.trace_id
      from dataset_case c join dataset d on d.id = c.dataset_id
      where d.project_id = :project_id and c.id = any(:cases))
    select trace_id from held where trace_id is not null
    union
    select r.trace_id from held h
    join trial t on t.dataset_id = h.dataset_id
    join trial_result r on r.trial_id = t.id and r.key = h.key
    where r.trace_id is not null""")


def _cases_by_body(connection: Connection, project_id: int, wanted: Wanted) -> Iterator[int]:
    """Cases outlive their runs, and those that were imported never had one here."""
    rows = connection.execute(
        _BODIES, {"project_id": project_id}, execution_options={"yield_per": 50}
    )
    for row in rows:
        run = snapshots.unpack(row.enc, bytes(row.body))
        named = {run.id, *run.traces}
        if named & set(wanted.traces) or run.session in wanted.sessions or run.user in wanted.users:
            yield row.id


def forget(
    engine: Engine, project_id: int, found: Found, *, by: Person, patience: float = _PATIENCE
) -> set[str]:
    """Delete what was found, for good; the tables and partitions it lay in.

    TookTooLong when workers do not let go of it.
    """
    by.must_be(Role.ADMIN, "Forgetting runs")
    _stop_work(engine, project_id, found.traces, patience)
    touched: set[str] = set()
    given = {"project_id": project_id, "traces": _ids(found.traces)}
    cases, sessions = sorted(found.cases), sorted(found.sessions)
    with engine.begin() as connection:
        touched |= set(connection.execute(_RESULTS, given | {"cases": cases}).scalars())
        touched |= set(connection.execute(_FEEDBACK, given | {"sessions": sessions}).scalars())
        for name in _BY_TRACE:
            rows = _rows(name, project_id, found.traces)
            gone = sa.delete(metadata.tables[name]).where(rows).returning(_PLACE)
            touched |= set(connection.execute(gone).scalars())
        if found.cases:
            datasets.forget(connection, project_id, cases, by=by)
            touched.add("dataset_case")
        # Whose they were is not said: the log itself can forget nothing.
        after = {"runs": len(found.runs), "steps": found.steps, "cases": len(found.cases)}
        actor = audit.Actor(by.name, by.origin)
        audit.note(connection, project_id, actor, "runs.forget", str(found), after=after)
    return touched


# The table, or the partition of it, that a row lay in.
_PLACE: sa.ColumnClause[str] = sa.literal_column("cast(cast(tableoid as regclass) as text)")
_RESULTS = sa.text("""
    with gone as (
      delete from trial_result
      where (trial_id, key) in (
        select r.trial_id, r.key from trial_result r
        join trial t on t.id = r.trial_id
        join dataset d on d.id = t.dataset_id
        left join dataset_case c on c.dataset_id = d.id and c.key = r.key
        where d.project_id = :project_id
          and (r.trace_id = any(:traces) or c.id = any(:cases)))
      returning 1)
    select distinct 'trial_result' from gone""")
_FEEDBACK = sa.text("""
    with gone as (
      delete from feedback
      where project_id = :project_id
        and (trace_id = any(:traces) or session_id = any(:sessions))
      returning cast(cast(tableoid as regclass) as text) as place)
    select distinct place from gone""")


def _rows(name: str, project_id: int, traces: Iterable[str]) -> sa.ColumnElement[bool]:
    """The rows of these traces in a table."""
    columns = metadata.tables[name].c
    wanted = sa.literal(_ids(traces), ARRAY(UUID))
    return sa.and_(columns.project_id == project_id, columns.trace_id == sa.any_(wanted))


def forget_project(
    engine: Engine, project_id: int, *, by: Person, patience: float = _PATIENCE
) -> None:
    """Delete a project with everything in it but its lines in the audit log."""
    by.must_be(Role.ADMIN, "Deleting a project")
    with engine.begin() as connection:
        name = projects.get(connection, project_id).name
        if name == projects.DEFAULT:
            raise WrongUse(
                f"The project {name} takes what comes without a key and cannot be deleted; "
                "`waypost forget` forgets runs of it, `waypost retain --days 1` all but a day."
            )
        closed = connection.execute(_CLOSE, {"project_id": project_id}).rowcount
    if closed:
        time.sleep(KEYS_KNOWN)
    _stop_work(engine, project_id, None, patience)
    with engine.begin() as connection:
        for known in datasets.every(connection, project_id):
            datasets.delete(connection, project_id, known.id, by=by)
        for table in reversed(metadata.sorted_tables):
            if "project_id" in table.c and table.name != "audit":
                connection.execute(sa.delete(table).where(table.c.project_id == project_id))
        connection.execute(sa.text("delete from project where id = :id"), {"id": project_id})
        audit.note(
            connection, project_id, audit.Actor(by.name, by.origin), "project.delete", name,
            before={"name": name},
        )  # fmt: skip


_CLOSE = sa.text("delete from api_key where project_id = :project_id")


def _stop_work(
    engine: Engine, project_id: int, traces: Iterable[str] | None, patience: float
) -> None:
    """Until no worker has any of it in hand: what it judges it would write afterwards."""
    job = metadata.tables["job"]
    rows = job.c.project_id == project_id
    if traces is not None:
        rows = _rows("job", project_id, traces)
    is_held = sa.func.coalesce(job.c.leased_until, sa.text("'-infinity'")) >= sa.func.now()
    until = time.monotonic() + patience
    while True:
        with engine.begin() as connection:
            connection.execute(sa.delete(job).where(rows, ~is_held))
            left = connection.execute(sa.select(sa.func.count()).where(rows)).scalar_one()
        if not left:
            return
        if time.monotonic() > until:
            raise TookTooLong(
                f"{plural(left, 'job')} of these runs did not end. Nothing was forgotten; see "
                "`waypost doctor`, and try again in a few minutes."
            )
        time.sleep(_LOOK_AGAIN)


def clear(engine: Engine, tables: Iterable[str], *, rewritten: bool = False) -> None:
    """Let Postgres use the space of what was deleted; `rewritten` leaves no byte of it on disk.

    Nobody can write to a table that is being rewritten.
    """
    how = "vacuum (full)" if rewritten else "vacuum"
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        for table in sorted(tables):  # names by Postgres itself, quoted where they must be
            connection.exec_driver_sql(f"{how} {table}")


def _ids(traces: Iterable[str]) -> list[uuid.UUID]:
    return [uuid.UUID(trace) for trace in sorted(traces)]
