"""How every evaluator of a project is doing: counts, queue, cost, why nothing matches, and how
far people's verdicts bear it out."""

import datetime as dt
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from sqlalchemy.engine import Connection

from waypost.agreement import Agreement, Corrected, corrected_rate
from waypost.rates import Rate
from waypost.store import jobs, judges, people, reach
from waypost.store.jobs import Depth
from waypost.store.judges import Judge, Spent
from waypost.store.queues import Queue
from waypost.store.reach import Reach
from waypost.store.reviews import HUMAN


@dataclass(frozen=True, slots=True)
class Health:
    """One evaluator over a window, all its versions together, newest first.

    `matched` is judged, abstained and queued; with none of them `why` says why. `seen` are the
    steps (or runs) a worker saw lately, `wanted` those it is asked to judge; `paused` says why
    a model judge is not asked for now.
    """

    name: str
    versions: tuple[str, ...] = ()
    source: str = "code"
    target: str = ""
    owner: str = ""
    judged: int = 0
    failed: int = 0
    abstained: int = 0
    queued: int = 0
    parked: int = 0
    oldest: dt.datetime | None = None
    seen: int = 0
    wanted: int = 0
    why: str = ""
    paused: str = ""
    spent: Spent = field(default_factory=Spent)
    agreed: Agreement | None = None

    @property
    def matched(self) -> int:
        return self.judged + self.abstained + self.queued

    @property
    def rate(self) -> Rate:
        """The fail rate as the evaluator sees it, with its interval."""
        return Rate.of(self.failed, self.judged)

    @property
    def corrected(self) -> Corrected | None:
        """The fail rate that remains when what people found of its errors is taken into account."""
        return (
            None if self.agreed is None else corrected_rate(self.failed, self.judged, self.agreed)
        )

    def as_json(self) -> dict[str, object]:
        """Everything a program may want to know, figures as plain numbers."""
        agreed = self.agreed
        return {
            "name": self.name, "versions": list(self.versions), "source": self.source,
            "target": self.target, "owner": self.owner, "matched": self.matched,
            "judged": self.judged, "failed": self.failed, "abstained": self.abstained,
            "queued": self.queued, "parked": self.parked, "oldest": self.oldest,
            "seen": self.seen, "wanted": self.wanted, "why": self.why,
            "paused": self.paused,
            "cost_usd": self.spent.cost_usd, "asked": self.spent.asked,
            "errors": self.spent.errors, "tokens_in": self.spent.tokens_in,
            "tokens_out": self.spent.tokens_out,
            "self_agreement": plain(self.spent.self_agreement),
            "fail_rate": plain(self.rate),
            "corrected_fail_rate": plain(self.corrected),
            "people": agreed.n if agreed else 0,
            "precision": plain(agreed.precision if agreed else None),
            "recall": plain(agreed.recall if agreed else None),
            "kappa": agreed.kappa if agreed else None,
        }  # fmt: skip


def plain(figure: Rate | Corrected | None) -> dict[str, float] | None:
    """A figure and its interval; None where there is nothing to say."""
    value = figure.share if isinstance(figure, Rate) else getattr(figure, "value", None)
    if figure is None or value is None:
        return None
    return {"value": value, "low": figure.low, "high": figure.high}


def of_evaluators(connection: Connection, project_id: int, since: dt.datetime) -> list[Health]:
    """Every evaluator that is asked for or has scores, by name; people are not among them."""
    known: dict[str, list[Judge]] = defaultdict(list)
    for judge in judges.every(connection, project_id, since):
        if judge.source != HUMAN:
            known[judge.name.split(".")[0]].append(judge)
    depth = [d for d in jobs.depth(connection, project_id) if d.queue is not Queue.TRACE]
    spent = judges.spent(connection, project_id, since)
    reached = reach.of_project(connection, project_id)
    agreed = {a.evaluator: a for a in people.agreement(connection, project_id)}
    return [
        _health(
            name, known[name], depth, spent=spent, found=reached.get(name), agreed=agreed.get(name)
        )
        for name in sorted({*known, *reached})
    ]


def _health(
    name: str,
    mine: Sequence[Judge],
    depth: Sequence[Depth],
    *,
    spent: dict[int, Spent],
    found: Reach | None,
    agreed: Agreement | None,
) -> Health:
    ids = {judge.id for judge in mine}
    waiting = [d for d in depth if d.evaluator_id in ids]
    made = Health(
        name=name,
        versions=tuple(j.version for j in mine),
        source=mine[0].source if mine else "code",
        target=found.target if found else "",
        owner=found.owner if found else "",
        judged=sum(j.judged for j in mine),
        failed=sum(j.failed for j in mine),
        abstained=sum(j.abstained for j in mine),
        queued=sum(d.waiting + d.leased for d in waiting),
        parked=sum(d.dead for d in waiting),
        oldest=min((d.oldest for d in waiting if d.oldest), default=None),
        seen=found.seen if found else 0,
        wanted=found.matched if found else 0,
        why=found.why if found else "it is no longer asked for",
        paused=found.paused if found else "",
        spent=sum((spent[i] for i in ids if i in spent), Spent()),
        agreed=agreed,
    )
    return replace(made, why="") if made.matched else made
