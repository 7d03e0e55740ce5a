"""What people say, per 1,000 sessions: thumbs down, escalations, tickets, reviewer overrides."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy.engine import Connection

from waypost.rates import Rate
from waypost.store.measures import Measure
from waypost.store.rates import Where, Window, asked
from waypost.store.sql import statement

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
        statement("labelled", "said_by_cohort"),
        {
            **asked(project_id, None, where, keys), "keys": list(keys), "since": window.since,
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
