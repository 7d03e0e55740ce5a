"""What people said where an evaluator had judged: its precision and recall, whole and by cohort."""

import datetime as dt
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from waypost import replays
from waypost.agreement import Agreement, Corrected, corrected_rate
from waypost.rates import Rate
from waypost.store import cohorts

ENOUGH = 30


@dataclass(frozen=True, slots=True)
class InCohort:
    """An evaluator in one cohort: its fail rate there, what people say of it, and what remains.

    With few verdicts of people the rate is corrected by those of all cohorts (`own` is False).
    """

    values: Mapping[str, str]
    rate: Rate
    agreed: Agreement
    corrected: Corrected | None
    own: bool


def agreement(
    connection: Connection, project_id: int, since: dt.datetime | None = None
) -> list[Agreement]:
    """Each evaluator against the scores of people (source human) on the same targets.

    A person's score counts for the evaluator it is named after, `review:NAME` or NAME. Of several
    versions the newest verdict counts; abstentions count for neither side.
    """
    found: dict[str, Agreement] = {}
    for (name, _), agreed in _pairs(connection, project_id, since, None).items():
        found[name] = found[name] + agreed if name in found else agreed
    return [found[name] for name in sorted(found)]


def by_cohort(
    connection: Connection,
    project_id: int,
    evaluator: str,
    since: dt.datetime,
    *,
    by: Sequence[str] | None = None,
) -> list[InCohort]:
    """An evaluator in each cohort where people judged it too, by these keys or by all."""
    pairs = _pairs(connection, project_id, since, evaluator)
    counts = _counts(connection, project_id, evaluator, since)
    named = cohorts.named(connection, project_id, {c for _, c in pairs} | counts.keys())
    if by is not None and not replays.are_asked_for(by):
        spared = {c for c, values in named.items() if replays.is_replay(values)}
        pairs = {at: one for at, one in pairs.items() if at[1] not in spared}
        counts = {c: counted for c, counted in counts.items() if c not in spared}
    agreed: dict[tuple[tuple[str, str], ...], Agreement] = {}
    rates: dict[tuple[tuple[str, str], ...], tuple[int, int]] = defaultdict(lambda: (0, 0))
    for cohort_id, (failed, judged) in counts.items():
        label = _label(named.get(cohort_id, {}), by)
        rates[label] = rates[label][0] + failed, rates[label][1] + judged
    for (_, cohort_id), one in pairs.items():
        label = _label(named.get(cohort_id, {}), by)
        agreed[label] = agreed[label] + one if label in agreed else one
    whole = sum(agreed.values(), Agreement(evaluator))
    return [_in_cohort(label, rates[label], one, whole) for label, one in sorted(agreed.items())]


def _label(values: Mapping[str, str], by: Sequence[str] | None) -> tuple[tuple[str, str], ...]:
    keys = sorted(values) if by is None else by
    return tuple((key, values.get(key, "")) for key in keys)


def _in_cohort(
    label: tuple[tuple[str, str], ...], counted: tuple[int, int], one: Agreement, whole: Agreement
) -> InCohort:
    failed, judged = counted
    mine = corrected_rate(failed, judged, one) if one.n >= ENOUGH else None
    return InCohort(
        values=dict(label),
        rate=Rate.of(failed, judged),
        agreed=one,
        corrected=mine or corrected_rate(failed, judged, whole),
        own=mine is not None,
    )


def _pairs(
    connection: Connection, project_id: int, since: dt.datetime | None, evaluator: str | None
) -> dict[tuple[str, int], Agreement]:
    rows = connection.execute(
        _PAIRS, {"project_id": project_id, "since": since, "evaluator": evaluator}
    )
    return {
        (row.name, row.cohort_id): Agreement(
            row.name, int(row.both_failed), int(row.judge_failed), int(row.person_failed),
            int(row.both_passed),
        )
        for row in rows
    }  # fmt: skip


_PAIRS = sa.text("""
    with person as (
      select id, regexp_replace(name, '^review:', '') as judge from evaluator
      where project_id = :project_id and source = 'human'
        and (cast(:evaluator as text) is null
          or name in (cast(:evaluator as text), 'review:' || cast(:evaluator as text)))),
    said as (
      select p.judge, s.trace_id, s.span_id, s.started_at, s.cohort_id, s.outcome
      from person p join score s on s.evaluator_id = p.id
      where s.project_id = :project_id and s.scored_by is not null and s.outcome in (0, 1)
        and s.started_at >= coalesce(cast(:since as timestamptz), '-infinity'))
    select said.judge as name, said.cohort_id,
      count(*) filter (where judged.outcome = 0 and said.outcome = 0) as both_failed,
      count(*) filter (where judged.outcome = 0 and said.outcome = 1) as judge_failed,
      count(*) filter (where judged.outcome = 1 and said.outcome = 0) as person_failed,
      count(*) filter (where judged.outcome = 1 and said.outcome = 1) as both_passed
    from said
    cross join lateral (
      select s.outcome from evaluator e join score s on s.evaluator_id = e.id
      where e.project_id = :project_id and e.name = said.judge and e.source <> 'human'
        and s.project_id = :project_id and s.trace_id = said.trace_id
        and s.span_id = said.span_id and s.started_at = said.started_at and s.outcome in (0, 1)
      order by s.scored_at desc limit 1) judged
    group by said.judge, said.cohort_id""")


def _counts(
    connection: Connection, project_id: int, evaluator: str, since: dt.datetime
) -> dict[int, tuple[int, int]]:
    rows = connection.execute(
        sa.text("""
            select h.cohort_id, sum(h.n_fail) as failed, sum(h.n) as judged
            from score_hour h join evaluator e on e.id = h.evaluator_id
            where h.project_id = :project_id and e.name = :evaluator and e.source <> 'human'
              and h.bucket >= date_trunc('hour', cast(:since as timestamptz), 'UTC')
            group by h.cohort_id"""),
        {"project_id": project_id, "evaluator": evaluator, "since": since},
    )
    return {row.cohort_id: (int(row.failed), int(row.judged)) for row in rows}
