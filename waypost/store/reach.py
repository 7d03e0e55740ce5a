"""Which steps there are lately, and how many of them each evaluator is asked to judge."""

import datetime as dt
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from waypost.records import Kind
from waypost.store import cohorts
from waypost.store.codec import KINDS

_RUNS = 1000


@dataclass(frozen=True, slots=True)
class Seen:
    """`n` steps of a kind and tool, or with no kind `n` whole runs, of one agent and cohort."""

    kind: Kind | None
    tool: str | None
    agent: str | None
    cohort: Mapping[str, str]
    n: int


@dataclass(frozen=True, slots=True)
class Reach:
    """What a worker found when it last looked: of `seen` steps or runs `matched` are asked for.

    `why` says why none are where none are, `paused` why a model judge is not asked for now.
    """

    name: str
    target: str
    owner: str
    seen: int
    matched: int
    why: str
    at: dt.datetime
    paused: str = ""


def recent(connection: Connection, project_id: int, since: dt.datetime) -> list[Seen]:
    """The steps and the runs of the newest thousand runs since then, counted by what they are."""
    rows = connection.execute(_RECENT, {"project_id": project_id, "since": since, "most": _RUNS})
    found = list(rows)
    known = cohorts.named(connection, project_id, {r.cohort_id for r in found if r.cohort_id})
    seen = []
    for row in found:
        kind = None if row.kind is None else KINDS[row.kind]
        if kind is None or kind.is_step:
            cohort = known.get(row.cohort_id or 0, {})
            seen.append(Seen(kind, row.tool, row.agent, cohort, int(row.n)))
    return seen


_RECENT = sa.text("""
    with run as (
      select trace_id, agent, cohort_id, first_at from trajectory
      where project_id = :project_id and first_at >= :since
      order by first_at desc limit :most)
    select cast(null as smallint) as kind, cast(null as text) as tool, agent, cohort_id,
      count(*) as n
    from run group by agent, cohort_id
    union all
    select s.kind, s.tool, run.agent, run.cohort_id, count(*)
    from run join step s on s.project_id = :project_id and s.trace_id = run.trace_id
      and s.started_at >= run.first_at - interval '1 day'
      and s.started_at >= cast(:since as timestamptz) - interval '1 day'
    group by s.kind, s.tool, run.agent, run.cohort_id""")


def due(connection: Connection, before: dt.datetime, *, most: int = 10) -> list[int]:
    """Projects nobody has looked at since `before`, those left alone longest first."""
    rows = connection.execute(
        sa.text("""
            select p.id, min(r.at) as at from project p
            left join evaluator_reach r on r.project_id = p.id
            group by p.id having min(r.at) is null or min(r.at) < :before
            order by at nulls first, p.id limit :most"""),
        {"before": before, "most": most},
    )
    return [row.id for row in rows]


def keep(connection: Connection, project_id: int, reaches: Iterable[Reach]) -> None:
    """Keep what was found in place of what was known; evaluators that are gone go."""
    rows = [
        {
            "project_id": project_id, "name": r.name, "at": r.at, "target": r.target,
            "owner": r.owner, "seen": r.seen, "matched": r.matched, "why": r.why,
            "paused": r.paused,
        }
        for r in sorted(reaches, key=lambda r: r.name)
    ]  # fmt: skip
    connection.execute(
        sa.text("""
            delete from evaluator_reach
            where project_id = :project_id and not name = any(:names)"""),
        {"project_id": project_id, "names": [r["name"] for r in rows]},
    )
    if rows:
        connection.execute(_KEEP, rows)


_KEEP = sa.text("""
    insert into evaluator_reach (project_id, name, at, target, owner, seen, matched, why, paused)
    values (:project_id, :name, :at, :target, :owner, :seen, :matched, :why, :paused)
    on conflict (project_id, name) do update set
      at = excluded.at, target = excluded.target, owner = excluded.owner,
      seen = excluded.seen, matched = excluded.matched, why = excluded.why,
      paused = excluded.paused""")


def of_project(connection: Connection, project_id: int) -> dict[str, Reach]:
    """What each evaluator of a project reaches, by name."""
    rows = connection.execute(
        sa.text("""
            select name, target, owner, seen, matched, why, at, paused from evaluator_reach
            where project_id = :project_id order by name"""),
        {"project_id": project_id},
    )
    return {row.name: Reach(*row) for row in rows}
