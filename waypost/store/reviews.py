"""What people say of steps: their verdicts, kept and written as scores with source human."""

import datetime as dt
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from waypost.errors import NotFound
from waypost.records import Outcome, Score
from waypost.roles import Person, Role
from waypost.store import audit, feed, scores
from waypost.store.rows import at_ns, span_number, span_text
from waypost.store.scores import OUTCOME_CODE, OUTCOMES, Verdict

PREFIX = "review:"
HUMAN = "human"
_NOTE = 2000
_RUNS, _RUNS_OF_ONE = 150, 900


@dataclass(frozen=True, slots=True)
class Review:
    """One person's verdict on what one evaluator judged; `span_id` is None for the whole run."""

    trace_id: str
    span_id: str | None
    evaluator: str
    outcome: Outcome
    note: str = ""


@dataclass(frozen=True, slots=True)
class Candidate:
    """Something that a person could look at: a judge's verdict and those of the others there."""

    trace_id: str
    span_id: str | None
    started_at: dt.datetime
    evaluator: str
    version: str
    outcome: Outcome
    value: float | None
    failed_there: int
    judged_there: int
    contradicted: int


def write(
    connection: Connection,
    project_id: int,
    review: Review,
    *,
    by: Person,
    now: dt.datetime | None = None,
) -> None:
    """Keep a person's verdict and write it as a score with source human.

    NotAllowed below reviewer, NotFound when there is no such step. A second verdict of the same
    person on the same target replaces the first.
    """
    by.must_be(Role.REVIEWER, "Reviewing")
    started_at, cohort_id = _target(connection, project_id, review)
    judged = _judged(connection, project_id, review, started_at)
    moment = now or dt.datetime.now(dt.UTC)
    connection.execute(
        _PUT,
        {
            "project_id": project_id,
            "at": moment,
            "trace_id": uuid.UUID(review.trace_id),
            "span_id": span_number(review.span_id) if review.span_id else 0,
            "started_at": started_at,
            "evaluator": review.evaluator,
            "reviewer": by.name,
            "outcome": OUTCOME_CODE[review.outcome],
            "judged": None if judged is None else judged.outcome,
            "version": None if judged is None else judged.version,
            "note": review.note[:_NOTE] or None,
        },
    )
    if cohort_id is not None:  # a run that is not settled has no cohort to count in
        verdict = Verdict(
            review.trace_id, at_ns(started_at), cohort_id, _judge(connection, project_id, review),
            _score(review, by.name),
        )  # fmt: skip
        scores.write(connection, project_id, [verdict])
        feed.note(connection, project_id, [review.trace_id], now=moment)
    said = {"evaluator": review.evaluator, "outcome": str(review.outcome)}
    actor = audit.Actor(by.name, "dashboard")
    target = f"{review.trace_id}/{review.span_id or 'run'}"
    audit.note(connection, project_id, actor, "review.write", target, after=said, at=moment)


def settle(connection: Connection, project_id: int, cohorts: Mapping[str, int]) -> None:
    """Write what people said of these traces once more, in the cohort that each has now.

    A verdict on a run that was not settled yet becomes a score here.
    """
    rows = connection.execute(
        sa.text("""
            select trace_id, span_id, started_at, evaluator, reviewer, outcome, note from review
            where project_id = :project_id and trace_id = any(:traces) order by at"""),
        {"project_id": project_id, "traces": [uuid.UUID(t) for t in cohorts]},
    )
    verdicts = []
    for row in rows:
        review = Review(
            row.trace_id.hex, span_text(row.span_id) if row.span_id else None, row.evaluator,
            OUTCOMES[row.outcome], row.note or "",
        )  # fmt: skip
        verdicts.append(
            Verdict(
                review.trace_id, at_ns(row.started_at), cohorts[review.trace_id],
                _judge(connection, project_id, review), _score(review, row.reviewer),
            )
        )  # fmt: skip
    scores.write(connection, project_id, verdicts)


def _judge(connection: Connection, project_id: int, review: Review) -> int:
    """The row of evaluators that stands for people who judge what this evaluator judges."""
    name = PREFIX + review.evaluator
    ids = scores.evaluator_ids(connection, project_id, [(name, "1", HUMAN)])
    return ids[name, "1"]


def _score(review: Review, by: str) -> Score:
    value = {Outcome.PASSED: 1.0, Outcome.FAILED: 0.0}.get(review.outcome)
    return Score(
        review.outcome, value, explanation=review.note[:_NOTE], step=review.span_id,
        evaluator=PREFIX + review.evaluator, version="1", source=HUMAN, by=by,
    )  # fmt: skip


def _target(
    connection: Connection, project_id: int, review: Review
) -> tuple[dt.datetime, int | None]:
    row = connection.execute(
        sa.text("""
            select t.first_at, t.cohort_id, s.started_at
            from trajectory t
            left join step s on s.project_id = t.project_id and s.trace_id = t.trace_id
              and s.span_id = :span_id and s.started_at >= t.day - interval '1 day'
            where t.project_id = :project_id and t.trace_id = :trace_id
            order by (s.started_at is null), t.first_at limit 1"""),
        {
            "project_id": project_id,
            "trace_id": uuid.UUID(review.trace_id),
            "span_id": span_number(review.span_id) if review.span_id else 0,
        },
    ).one_or_none()
    if row is None or (review.span_id and row.started_at is None):
        raise NotFound("That step is not stored (any more), so it cannot be reviewed.")
    return row.started_at if review.span_id else row.first_at, row.cohort_id


def _judged(
    connection: Connection, project_id: int, review: Review, started_at: dt.datetime
) -> sa.Row[tuple[object, ...]] | None:
    """The newest verdict of the evaluator on the same target."""
    return connection.execute(
        sa.text("""
            select s.outcome, e.version
            from score s join evaluator e on e.id = s.evaluator_id
            where s.project_id = :project_id and s.trace_id = :trace_id and s.span_id = :span_id
              and s.started_at >= cast(:at as timestamptz) - interval '1 day'
              and e.name = :name and s.outcome in (0, 1)
            order by s.scored_at desc limit 1"""),
        {
            "project_id": project_id,
            "trace_id": uuid.UUID(review.trace_id),
            "span_id": span_number(review.span_id) if review.span_id else 0,
            "at": started_at,
            "name": review.evaluator,
        },
    ).one_or_none()


_PUT = sa.text("""
    insert into review (project_id, at, trace_id, span_id, started_at, evaluator, reviewer,
      outcome, judged, judged_version, note)
    values (:project_id, :at, :trace_id, :span_id, :started_at, :evaluator, :reviewer,
      :outcome, :judged, :version, :note)
    on conflict (project_id, trace_id, span_id, evaluator, reviewer) do update set
      at = excluded.at, outcome = excluded.outcome, judged = excluded.judged,
      judged_version = excluded.judged_version, note = excluded.note""")


def candidates(
    connection: Connection,
    project_id: int,
    since: dt.datetime,
    *,
    reviewer: str,
    evaluators: Sequence[str] | None = None,
    most: int = 150,
) -> list[Candidate]:
    """The newest verdicts of judges that this person has not reviewed, failed ones first.

    They are looked for in the newest runs that failed, and in the newest of all.
    """
    rows = connection.execute(
        _CANDIDATES,
        {
            "project_id": project_id,
            "since": since,
            "reviewer": reviewer,
            "evaluators": None if evaluators is None else list(evaluators),
            "most": most,
            "runs": _RUNS if evaluators is None else _RUNS_OF_ONE,
        },
    )
    return [
        Candidate(
            row.trace_id.hex, span_text(row.span_id) if row.span_id else None, row.started_at,
            row.name, row.version, OUTCOMES[row.outcome], row.value, int(row.failed),
            int(row.judged), int(row.contradicted),
        )
        for row in rows
    ]  # fmt: skip


_CANDIDATES = sa.text("""
    with judge as (
      select id, name, version from evaluator
      where project_id = :project_id and source <> 'human'
        and (cast(:evaluators as text[]) is null or name = any(cast(:evaluators as text[])))
    ),
    run as materialized (
      (select trace_id, first_at, last_at from trajectory
       where project_id = :project_id and first_at >= :since and fails > 0
       order by first_at desc limit :runs)
      union
      (select trace_id, first_at, last_at from trajectory
       where project_id = :project_id and first_at >= :since and steps > 0
       order by first_at desc limit :runs / 3)
    ),
    newest as materialized (select * from run order by first_at desc),
    -- Read run by run, from the newest on, until a limit below ends it.
    judged as not materialized (
      select s.* from newest r
      cross join lateral (
        select trace_id, span_id, started_at, outcome, value, evaluator_id from score
        where project_id = :project_id and trace_id = r.trace_id and started_at >= :since
          and started_at between r.first_at - interval '1 day' and r.last_at + interval '1 day'
          and evaluator_id = any(array(select id from judge))
          and (outcome = 0 or (outcome = 1 and value < real '0.9'))
        offset 0) s  -- without it the planner reads every score of the window, to join them by hash
    ),
    picked as (
      (select * from judged where outcome = 0 limit :most)
      union all
      (select * from judged where outcome = 1 limit :most)
    ),
    open as (
      select p.*, j.name, j.version from picked p join judge j on j.id = p.evaluator_id
      where not exists (
        select from review r
        where r.project_id = :project_id and r.trace_id = p.trace_id and r.span_id = p.span_id
          and r.evaluator = j.name and r.reviewer = :reviewer)
    )
    select o.*, there.failed, there.judged, coalesce(said.contradicted, 0) as contradicted
    from open o
    cross join lateral (
      select count(*) filter (where s.outcome = 0) as failed, count(*) as judged
      from score s
      where s.project_id = :project_id and s.trace_id = o.trace_id and s.span_id = o.span_id
        and s.started_at = o.started_at and s.outcome in (0, 1)) there
    left join lateral (
      select count(*) as contradicted from review r
      where r.project_id = :project_id and r.trace_id = o.trace_id and r.span_id = o.span_id
        and r.evaluator = o.name and r.outcome <> o.outcome) said on true""")


def reviewers(
    connection: Connection, project_id: int, trace_ids: Sequence[str]
) -> dict[str, list[str]]:
    """Who reviewed any part of these runs."""
    found = connection.execute(
        sa.text("""
            select trace_id, reviewer from review
            where project_id = :project_id and trace_id = any(:traces)
            group by trace_id, reviewer order by min(at)"""),
        {"project_id": project_id, "traces": [uuid.UUID(t) for t in trace_ids]},
    )
    names: dict[str, list[str]] = {}
    for row in found:
        names.setdefault(row.trace_id.hex, []).append(row.reviewer)
    return names


def count_by(connection: Connection, project_id: int, reviewer: str, since: dt.datetime) -> int:
    """How many verdicts a person gave since then."""
    return int(
        connection.execute(
            sa.text("""
                select count(*) from review
                where project_id = :project_id and reviewer = :reviewer and at >= :since"""),
            {"project_id": project_id, "reviewer": reviewer, "since": since},
        ).scalar_one()
    )
