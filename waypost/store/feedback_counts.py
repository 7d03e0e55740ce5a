"""What people say, per 1,000 sessions: thumbs down, escalations, tickets, reviewer overrides."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from waypost.rates import Rate
from waypost.store.measures import Measure
from waypost.store.rates import Where, Window, asked

KINDS = (Measure.THUMBS_DOWN, Measure.ESCALATIONS, Measure.TICKETS, Measure.OVERRIDES)


@dataclass(frozen=True, slots=True)
class Said:
    """The sessions of one cohort, and in how many of them each kind of complaint was made.

    A run without a session is one of its own.
    """

    values: Mapping[str, str]
    sessions: int
    rates: Mapping[Measure, Rate]

    def per_thousand(self, kind: Measure) -> float | None:
        """Sessions with this complaint out of every thousand."""
        share = self.rates[kind].share
        return None if share is None else 1000 * share


def by_cohort(
    connection: Connection,
    project_id: int,
    window: Window,
    *,
    keys: Sequence[str] = (),
    where: Where | None = None,
) -> list[Said]:
    """Complaints by cohort over the sessions that began in a window, most sessions first."""
    rows = connection.execute(
        _BY_COHORT,
        {
            **asked(project_id, None, where), "keys": list(keys), "since": window.since,
            "until": window.until, "day": window.since.date(),
        },
    )  # fmt: skip
    return [
        Said(
            dict(zip(keys, row.label, strict=True)), int(row.sessions),
            {
                kind: Rate.of(int(n), int(row.sessions))
                for kind, n in zip(KINDS, (row.thumbs, row.escalations, row.tickets, row.overrides),
                                   strict=True)
            },
        )
        for row in rows
    ]  # fmt: skip


_BY_COHORT = sa.text("""
    with labelled as (
      select id, array(
        select coalesce(attrs ->> key, '')
        from unnest(cast(:keys as text[])) with ordinality as k (key, place) order by place
      ) as label
      from cohort
      where project_id = :project_id and attrs @> cast(:has as jsonb)
        and not jsonb_exists_any(attrs, cast(:lacks as text[]))
    ),
    sessions as (
      select l.label, coalesce(t.session_id, t.trace_id::text) as session,
        bool_or(t.counted -> 'm' ? '9') as thumbs, bool_or(t.counted -> 'm' ? '10') as escalations,
        bool_or(t.counted -> 'm' ? '11') as tickets, bool_or(t.counted -> 'm' ? '12') as overrides
      from trajectory t join labelled l on l.id = t.cohort_id
      where t.project_id = :project_id and t.day >= :day and t.counted is not null
        and t.first_at >= :since and t.first_at < :until
      group by 1, 2
    )
    select label, count(*) as sessions, count(*) filter (where thumbs) as thumbs,
      count(*) filter (where escalations) as escalations,
      count(*) filter (where tickets) as tickets, count(*) filter (where overrides) as overrides
    from sessions group by label order by sessions desc, label""")
