"""The rates as Prometheus counters: judged, failed, abstained scores and runs, by cohort."""

import datetime as dt
import re
from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import Final

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from waypost.store.measures import Measure

MOST: Final = 5000
_NOT_A_LABEL: Final = re.compile(r"[^a-zA-Z0-9_]")
_HELP: Final = {
    "waypost_scores_total": "Scores that passed or failed.",
    "waypost_scores_failed_total": "Scores that failed.",
    "waypost_scores_abstained_total": "Verdicts that were not given.",
    "waypost_runs_total": "Runs.",
    "waypost_runs_with_total": "Runs with at least one of a measure.",
}
_NAMES: Final = {
    Measure.ERRORS: "errors", Measure.RETRIES: "retries", Measure.BLOCKS: "guardrail_blocks",
    Measure.FALLBACKS: "fallbacks", Measure.THUMBS_DOWN: "thumbs_down",
    Measure.ESCALATIONS: "escalations", Measure.TICKETS: "tickets", Measure.OVERRIDES: "overrides",
}  # fmt: skip
Samples = dict[str, list[tuple[Mapping[str, str], int]]]


def text(
    connection: Connection, project_id: int | None = None, *, now: dt.datetime | None = None
) -> str:
    """The counters of cohorts that were active in the last two days, in Prometheus' format.

    Of one project, or of all. The sums run over the last 60 days, so a series begins anew about
    every two months, which Prometheus takes for a restart. Beyond 5,000 series each the largest
    are given.
    """
    moment = now or dt.datetime.now(dt.UTC)
    values = {"since": moment - dt.timedelta(days=60), "active": moment - dt.timedelta(days=2),
              "most": MOST, "project_id": project_id}  # fmt: skip
    found: Samples = defaultdict(list)
    for row in connection.execute(_SCORES, values):
        labels = {"project": row.project, "evaluator": row.name, **_cohort(row.attrs)}
        found["waypost_scores_total"].append((labels, int(row.n)))
        found["waypost_scores_failed_total"].append((labels, int(row.k)))
        found["waypost_scores_abstained_total"].append((labels, int(row.abstained)))
    for row in connection.execute(_RUNS, values):
        labels = {"project": row.project, **_cohort(row.attrs)}
        if row.measure == Measure.RUNS:
            found["waypost_runs_total"].append((labels, int(row.n)))
        else:
            labels = {**labels, "measure": _NAMES[Measure(row.measure)]}
            found["waypost_runs_with_total"].append((labels, int(row.n)))
    return "".join(line for name in _HELP for line in _lines(name, found[name]))


def _cohort(attrs: Mapping[str, str]) -> dict[str, str]:
    return {"cohort_" + _NOT_A_LABEL.sub("_", key): value for key, value in attrs.items()}


def _lines(name: str, samples: Iterable[tuple[Mapping[str, str], int]]) -> Iterable[str]:
    yield f"# HELP {name} {_HELP[name]}\n# TYPE {name} counter\n"
    for labels, value in samples:
        inside = ",".join(f'{key}="{_escaped(text)}"' for key, text in sorted(labels.items()))
        yield f"{name}{{{inside}}} {value}\n"


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")


_SCORES = sa.text("""
    with counted as (
      select project_id, evaluator_id, cohort_id, sum(n) as n, sum(n_fail) as k,
        sum(n_abstain) as abstained, max(bucket) as latest
      from score_day where bucket >= :since
        and project_id = coalesce(cast(:project_id as int), project_id)
      group by 1, 2, 3)
    select p.name as project, e.name, c.attrs, sum(d.n) as n, sum(d.k) as k,
      sum(d.abstained) as abstained
    from counted d
    join project p on p.id = d.project_id
    join evaluator e on e.id = d.evaluator_id
    join cohort c on c.id = d.cohort_id
    where d.latest >= :active
    group by 1, 2, 3 order by n desc limit :most""")
_RUNS = sa.text("""
    with counted as (
      select project_id, measure, cohort_id, sum(n) as n, max(bucket) as latest
      from run_day where bucket >= :since and measure in (1, 2, 3, 4, 5, 9, 10, 11, 12)
        and project_id = coalesce(cast(:project_id as int), project_id)
      group by 1, 2, 3)
    select p.name as project, d.measure, c.attrs, d.n
    from counted d
    join project p on p.id = d.project_id
    join cohort c on c.id = d.cohort_id
    where d.latest >= :active and d.n > 0
    order by d.n desc limit :most""")
