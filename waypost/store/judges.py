"""Evaluators as the store knows them: names, versions, sources, and what they cost lately."""

import datetime as dt
from dataclasses import asdict, dataclass

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from waypost.rates import Rate


@dataclass(frozen=True, slots=True)
class Judge:
    """One version of an evaluator, with what its counters say of a window."""

    id: int
    name: str
    version: str
    source: str
    first_at: dt.datetime
    judged: int
    failed: int
    abstained: int
    value: float | None


def every(connection: Connection, project_id: int, since: dt.datetime) -> list[Judge]:
    """All evaluators of a project by name, newest version first, with their counts since then."""
    rows = connection.execute(
        sa.text("""
            select e.id, e.name, e.version, e.source, e.first_at,
              coalesce(sum(h.n), 0) as judged, coalesce(sum(h.n_fail), 0) as failed,
              coalesce(sum(h.n_abstain), 0) as abstained,
              sum(h.value_sum) / nullif(sum(h.n), 0) as value
            from evaluator e
            left join score_hour h on h.project_id = e.project_id and h.evaluator_id = e.id
              and h.bucket >= date_trunc('hour', cast(:since as timestamptz), 'UTC')
            where e.project_id = :project_id
            group by e.id
            order by e.name, e.first_at desc, e.id desc"""),
        {"project_id": project_id, "since": since},
    )
    return [
        Judge(
            row.id, row.name, row.version, row.source, row.first_at, int(row.judged),
            int(row.failed), int(row.abstained),
            None if row.value is None else float(row.value),
        )
        for row in rows
    ]  # fmt: skip


def lags(connection: Connection, project_id: int, *, runs: int = 50) -> dict[int, float]:
    """How many seconds after a run's end each evaluator's verdicts came, lately (median)."""
    rows = connection.execute(
        sa.text("""
            with newest as (
              select trace_id, day, last_at from trajectory
              where project_id = :project_id and steps > 0 order by first_at desc limit :runs
            )
            select s.evaluator_id, percentile_cont(0.5) within group (
              order by greatest(0, extract(epoch from s.scored_at - n.last_at))) as lag
            from newest n join score s on s.project_id = :project_id and s.trace_id = n.trace_id
              and s.started_at >= n.day - interval '1 day'
            group by s.evaluator_id"""),
        {"project_id": project_id, "runs": runs},
    )
    return {int(row.evaluator_id): float(row.lag) for row in rows}


def names(connection: Connection, project_id: int) -> list[str]:
    """The names of all evaluators that ever judged in a project."""
    rows = connection.execute(
        sa.text("select distinct name from evaluator where project_id = :project_id order by name"),
        {"project_id": project_id},
    )
    return [row.name for row in rows]


def ids_named(connection: Connection, project_id: int, name: str) -> list[int]:
    """The ids of all versions of an evaluator."""
    rows = connection.execute(
        sa.text("select id from evaluator where project_id = :project_id and name = :name"),
        {"project_id": project_id, "name": name},
    )
    return [int(row.id) for row in rows]


@dataclass(frozen=True, slots=True)
class Spent:
    """What asking a model judge took. Of `pairs` of askings about one target, `same` agreed."""

    asked: int = 0
    errors: int = 0
    tokens_in: int = 0
    tokens_out: int = 0
    cost_usd: float = 0.0
    pairs: int = 0
    same: int = 0

    @property
    def self_agreement(self) -> Rate | None:
        """How often the judge, asked again, said the same; None when it is asked once each."""
        return Rate.of(self.same, self.pairs) if self.pairs else None

    def __add__(self, other: "Spent") -> "Spent":
        mine, theirs = asdict(self), asdict(other)
        return Spent(**{name: mine[name] + theirs[name] for name in mine})


def spend(
    connection: Connection, project_id: int, evaluator_id: int, spent: Spent, at: dt.datetime
) -> None:
    """Add to the account of an evaluator; what was asked in vain costs as well."""
    connection.execute(
        _SPEND,
        {
            "project_id": project_id,
            "at": at,
            "evaluator_id": evaluator_id,
            **asdict(spent),
        },
    )


_SPEND = sa.text("""
    insert into judge_hour (project_id, bucket, evaluator_id, asked, errors, tokens_in, tokens_out,
      cost_usd, pairs, same)
    values (:project_id, date_trunc('hour', cast(:at as timestamptz), 'UTC'), :evaluator_id,
      :asked, :errors, :tokens_in, :tokens_out, :cost_usd, :pairs, :same)
    on conflict (project_id, bucket, evaluator_id) do update set
      asked = judge_hour.asked + excluded.asked, errors = judge_hour.errors + excluded.errors,
      tokens_in = judge_hour.tokens_in + excluded.tokens_in,
      tokens_out = judge_hour.tokens_out + excluded.tokens_out,
      cost_usd = judge_hour.cost_usd + excluded.cost_usd,
      pairs = judge_hour.pairs + excluded.pairs, same = judge_hour.same + excluded.same""")


def spent(connection: Connection, project_id: int, since: dt.datetime) -> dict[int, Spent]:
    """What each model judge took since then, by evaluator id, on full hours."""
    rows = connection.execute(
        sa.text("""
            select evaluator_id, sum(asked) as asked, sum(errors) as errors,
              sum(tokens_in) as tokens_in, sum(tokens_out) as tokens_out,
              sum(cost_usd) as cost_usd, sum(pairs) as pairs, sum(same) as same
            from judge_hour
            where project_id = :project_id
              and bucket >= date_trunc('hour', cast(:since as timestamptz), 'UTC')
            group by evaluator_id"""),
        {"project_id": project_id, "since": since},
    )
    return {
        row.evaluator_id: Spent(
            int(row.asked), int(row.errors), int(row.tokens_in), int(row.tokens_out),
            float(row.cost_usd), int(row.pairs), int(row.same),
        )
        for row in rows
    }  # fmt: skip


def spent_by_all(connection: Connection, since: dt.datetime) -> float:
    """Dollars that the judges of all projects took since then: what the budget is held against."""
    found = connection.execute(
        sa.text("select coalesce(sum(cost_usd), 0) from judge_hour where bucket >= :since"),
        {"since": since},
    )
    return float(found.scalar_one())
