"""Scores and their counters: written together, so a fail rate is exact at any moment."""

import datetime as dt
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass

import orjson
import sqlalchemy as sa
from sqlalchemy.engine import Connection, Row

from waypost.records import Evidence, Outcome, Score
from waypost.store.engine import has_returning_old
from waypost.store.rows import at_ns, at_number, span_number, span_text
from waypost.store.sql import copy_in, statement

OUTCOMES = (Outcome.FAILED, Outcome.PASSED, Outcome.ABSTAINED)
OUTCOME_CODE = {outcome: code for code, outcome in enumerate(OUTCOMES)}
NOTED = 3
_TEXT = 4000


@dataclass(frozen=True, slots=True)
class Verdict:
    """A score with its place: the trace, the start of what it judges, its cohort and evaluator.

    `noted`: it came from outside with a scale nobody declared, so it is neither pass nor fail.
    """

    trace_id: str
    started_at: int
    cohort_id: int
    evaluator_id: int
    score: Score
    noted: bool = False


@dataclass(frozen=True, slots=True)
class StoredScore:
    """A score as it is kept."""

    trace_id: str
    started_at: int
    cohort_id: int
    evaluator_id: int
    scored_at: dt.datetime
    score: Score
    noted: bool = False


def write(connection: Connection, project_id: int, verdicts: Sequence[Verdict]) -> int:
    """Store these verdicts and move the counters; how many rows are new or changed.

    One that is stored already with the same verdict changes nothing; of two for the same
    target and evaluator the last counts.
    """
    if not verdicts:
        return 0
    rows = {_key(v): _row(v) for v in verdicts}
    copy_in(connection, "score_in", (rows[key] for key in sorted(rows)))
    put = "put_scores"
    if not has_returning_old(connection):
        put = "put_scores_before_18"
        _lock_traces(connection, project_id, sorted({v.trace_id for v in verdicts}))
    done = connection.execute(statement(put, "count_scores"), {"project_id": project_id})
    return int(done.scalar_one())


def _lock_traces(connection: Connection, project_id: int, traces: list[str]) -> None:
    connection.execute(
        sa.text("""
            select pg_advisory_xact_lock(hashtextextended(t, :project_id))
            from unnest(cast(:traces as text[])) as t order by t"""),
        {"project_id": project_id, "traces": traces},
    )


def _key(verdict: Verdict) -> tuple[str, str, int, int]:
    return verdict.trace_id, verdict.score.step or "", verdict.evaluator_id, verdict.started_at


def _row(verdict: Verdict) -> tuple[object, ...]:
    score = verdict.score
    evidence = [_evidence(e) for e in score.evidence]
    return (
        bytes.fromhex(verdict.trace_id),
        span_number(score.step) if score.step else 0,
        verdict.evaluator_id,
        at_number(verdict.started_at),
        verdict.cohort_id,
        NOTED if verdict.noted else OUTCOME_CODE[score.outcome],
        score.value,
        score.label,
        score.explanation[:_TEXT] or None,
        orjson.dumps(evidence).decode() if evidence else None,
        score.by,
        score.cost_usd,
    )


def _evidence(evidence: Evidence) -> dict[str, object]:
    return {k: v for k, v in asdict(evidence).items() if v not in (None, "")}


def evaluator_ids(
    connection: Connection, project_id: int, wanted: Iterable[tuple[str, str, str]]
) -> dict[tuple[str, str], int]:
    """The ids of (name, version, source), made where they are new; keyed by name and version."""
    names = sorted(set(wanted))
    connection.execute(
        sa.text("""
            insert into evaluator (project_id, name, version, source)
            select :project_id, n, v, s
            from unnest(cast(:names as text[]), cast(:versions as text[]), cast(:sources as text[]))
              as t (n, v, s)
            on conflict (project_id, name, version) do nothing"""),
        {
            "project_id": project_id,
            "names": [n for n, _, _ in names],
            "versions": [v for _, v, _ in names],
            "sources": [s for _, _, s in names],
        },
    )
    found = connection.execute(
        sa.text("""
            select id, name, version from evaluator
            where project_id = :project_id and name = any(:names)"""),
        {"project_id": project_id, "names": [n for n, _, _ in names]},
    )
    return {(row.name, row.version): row.id for row in found}


def of_trace(
    connection: Connection,
    project_id: int,
    trace_ids: Sequence[str],
    since: dt.datetime,
    until: dt.datetime | None = None,
) -> list[StoredScore]:
    """Every score of these traces' steps from `since` (up to `until`) on, oldest step first."""
    found = connection.execute(
        sa.text("""
            select s.trace_id, s.span_id, s.started_at, s.cohort_id, s.evaluator_id, s.outcome,
                   s.value, s.label, s.explanation, s.evidence, s.scored_by, s.cost_usd,
                   s.scored_at, e.name, e.version, e.source
            from score s join evaluator e on e.id = s.evaluator_id
            where s.project_id = :project_id and s.trace_id = any(cast(:traces as uuid[]))
              and s.started_at >= :since
              and s.started_at <= coalesce(cast(:until as timestamptz), 'infinity')
            order by s.started_at, e.name"""),
        {"project_id": project_id, "traces": list(trace_ids), "since": since, "until": until},
    )
    return [stored(row) for row in found]


def stored(row: Row[tuple[object, ...]]) -> StoredScore:
    """The record in a row of score joined with its evaluator."""
    noted = row.outcome == NOTED
    score = Score(
        outcome=Outcome.ABSTAINED if noted else OUTCOMES[row.outcome],
        value=row.value,
        label=row.label,
        explanation=row.explanation or "",
        evidence=tuple(_read_evidence(e) for e in row.evidence or ()),
        step=span_text(row.span_id) if row.span_id else None,
        evaluator=row.name,
        version=row.version,
        source=row.source,
        by=row.scored_by,
        cost_usd=row.cost_usd,
    )
    return StoredScore(
        trace_id=row.trace_id.hex,
        started_at=at_ns(row.started_at),
        cohort_id=row.cohort_id,
        evaluator_id=row.evaluator_id,
        scored_at=row.scored_at,
        score=score,
        noted=noted,
    )


def _read_evidence(value: Mapping[str, object]) -> Evidence:
    known = {k: v for k, v in value.items() if k in Evidence.__dataclass_fields__}
    return Evidence(**known)  # type: ignore[arg-type]  # we wrote these fields


def recount(connection: Connection, project_id: int, since: dt.datetime) -> int:
    """Rebuild both counters from the scores kept since `since`; how many buckets there are now."""
    values = {"project_id": project_id, "since": since}
    connection.execute(statement("recount_delete"), values)
    return int(connection.execute(statement("recount"), values).scalar_one())
