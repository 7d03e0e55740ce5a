"""One transaction's work on claimed runs: load, judge, write scores and summaries, finish."""

import datetime as dt
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from evaluators.anomaly import baseline
from evaluators.judged import (
    NOTHING_KNOWN,
    Attempt,
    Judged,
    count_fails,
    first_bad_number,
    judge_run,
    said_outside,
    shape_of,
    worst_value,
)
from evaluators.memory import Memory
from evaluators.plan import Plan
from evaluators.project_plan import Plans
from evaluators.surroundings import Baseline
from waypost.records import Score, Step, Trajectory
from waypost.store import baselines, cohorts, reviews, runs, scores, traces
from waypost.store.engine import Connection
from waypost.store.projects import Project
from waypost.store.scores import Verdict

IDLE_SECONDS = 60
NANOSECONDS = 1_000_000_000
BASELINE_WINDOW = dt.timedelta(hours=24)
BASELINE_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class Loaded:
    """A run as it was read, with its cohort, what is usual there, and the plan it is judged by."""

    run: Trajectory
    plan: Plan
    cohort_id: int
    baselines: Mapping[str, Baseline]


@dataclass(slots=True)
class Verdicted:
    """What one run came to, and in how many seconds it must be looked at again."""

    loaded: Loaded
    judged: Judged
    again_after: float = 0.0


@dataclass(slots=True)
class Desk:
    """Where runs are judged: the plans, and what is remembered of cohorts between batches."""

    plans: Plans
    idle_seconds: float = IDLE_SECONDS
    memory: Memory = field(default_factory=Memory)
    _baselines: dict[int, tuple[float, Mapping[int, Mapping[str, Baseline]]]] = field(
        default_factory=dict
    )

    def load(
        self, connection: Connection, project: Project, trace_ids: Sequence[str], now: int
    ) -> dict[str, Loaded]:
        """The runs that these traces belong to, by trace; one record for each run."""
        found = runs.load_many(
            connection, project.id, trace_ids, cohort_keys=project.cohort_keys, now=now
        )
        known = self._known(connection, project.id, now)
        plan = self.plans.of(connection, project.id)
        distinct = {id(run): run for run in found.values()}
        ids = cohorts.ids(connection, project.id, [run.cohort for run in distinct.values()])
        made: dict[int, Loaded] = {}
        for key, run in distinct.items():
            cohort_id = ids[cohorts.key_of(run.cohort)]
            made[key] = Loaded(run, plan, cohort_id, known.get(cohort_id, {}))
        return {trace: made[id(run)] for trace, run in found.items()}

    def judge(
        self,
        project: Project,
        loaded: Loaded,
        now: int,
        *,
        attempt: Attempt,
        only: frozenset[str] | None = None,
    ) -> Verdicted:
        """Judge a run: its new steps now, the whole of it once it has ended or is idle."""
        left = self.seconds_left(loaded.run, now)
        known = NOTHING_KNOWN
        if only is None:
            known = self.memory.known(loaded.run, loaded.plan, loaded.cohort_id)
        judged = judge_run(
            loaded.plan,
            project.name,
            loaded.run,
            baselines=loaded.baselines,
            whole=left == 0,
            attempt=attempt,
            only=only,
            known=known,
        )
        return Verdicted(loaded, judged, left)

    def remember(self, found: Iterable[Verdicted]) -> None:
        """These runs' scores are committed: their steps need not be judged again."""
        for one in found:
            self.memory.keep(one.judged, one.loaded.plan, one.loaded.cohort_id)

    def seconds_left(self, run: Trajectory, now: int) -> float:
        """How long until a run without an end counts as idle; 0 when it is to be judged whole."""
        if run.ended:
            return 0.0
        quiet = (now - run.ended_at) / NANOSECONDS
        return max(0.0, self.idle_seconds - quiet)

    def write(
        self, connection: Connection, project: Project, found: Sequence[Verdicted]
    ) -> list[Verdict]:
        """Store scores with their counters and what each run adds up to."""
        verdicts = verdicts_of(connection, project.id, found, outside=True)
        scores.write(connection, project.id, verdicts)
        cohort_of = {t: one.loaded.cohort_id for one in found for t in one.loaded.run.traces}
        reviews.settle(connection, project.id, cohort_of)
        traces.lock(connection, project.id, cohort_of)
        for one in sorted(found, key=lambda v: min(v.loaded.run.traces)):
            self._settle(connection, project, one)
        return verdicts

    def _settle(self, connection: Connection, project: Project, found: Verdicted) -> None:
        judged = found.judged
        summary = traces.Verdicts(
            fails=count_fails(judged),
            first_bad_step=first_bad_number(judged),
            worst_score=worst_value(judged),
            shape=shape_of(judged),
        )
        traces.settle(
            connection,
            project.id,
            judged.run,
            cohort_id=found.loaded.cohort_id,
            verdicts=summary,
        )

    def _known(
        self, connection: Connection, project_id: int, now: int
    ) -> Mapping[int, Mapping[str, Baseline]]:
        """Baselines by cohort, read again once a minute."""
        kept = self._baselines.get(project_id)
        if kept is not None and now / NANOSECONDS - kept[0] < BASELINE_SECONDS:
            return kept[1]
        at = dt.datetime.fromtimestamp(now / NANOSECONDS, dt.UTC)
        found = read_baselines(baselines.recent(connection, project_id, at - BASELINE_WINDOW))
        self._baselines[project_id] = now / NANOSECONDS, found
        return found


def read_baselines(
    samples: Iterable[baselines.Sample],
) -> Mapping[int, Mapping[str, Baseline]]:
    """Baselines by cohort and key, from the measures of recent steps."""
    values: dict[int, dict[str, list[float]]] = {}
    for sample in samples:
        mine = values.setdefault(sample.cohort_id, {})
        key = f"{sample.kind}:{sample.what}"
        mine.setdefault(f"latency:{key}", []).append(sample.duration_ns / 1e6)
        if sample.tokens_out:
            mine.setdefault(f"tokens:{key}", []).append(float(sample.tokens_out))
    return {
        cohort: {key: found for key, v in keys.items() if (found := baseline(v)) is not None}
        for cohort, keys in values.items()
    }


def verdicts_of(
    connection: Connection, project_id: int, found: Sequence[Verdicted], *, outside: bool
) -> list[Verdict]:
    """The scores of these runs as rows; with `outside` also the verdicts that came with them."""
    placed = [p for one in found for p in _placed(one, outside=outside)]
    wanted = {(p.score.evaluator, p.score.version, p.score.source) for p in placed}
    ids = scores.evaluator_ids(connection, project_id, wanted) if wanted else {}
    return [
        Verdict(
            trace_id=p.step.trace_id if p.step else first_trace(p.loaded.run),
            started_at=p.step.started_at if p.step else p.loaded.run.started_at,
            cohort_id=p.loaded.cohort_id,
            evaluator_id=ids[p.score.evaluator, p.score.version],
            score=p.score,
            noted=p.noted,
        )
        for p in placed
    ]


@dataclass(frozen=True, slots=True)
class _Placed:
    loaded: Loaded
    score: Score
    step: Step | None
    noted: bool


def _placed(found: Verdicted, *, outside: bool) -> Iterator[_Placed]:
    judged, loaded = found.judged, found.loaded
    yield from (_Placed(loaded, s, step, noted=False) for s, step in judged.scores)
    yield from (_Placed(loaded, s, step, noted=True) for s, step in judged.ranked)
    steps = {step.id: step for step in loaded.run.steps}
    for score, noted in said_outside(loaded.run) if outside else ():
        target = steps.get(score.step or "")
        if target is not None or score.step is None:
            yield _Placed(loaded, score, target, noted)


def first_trace(run: Trajectory) -> str:
    """The trace a verdict on the whole run is kept under."""
    return run.steps[0].trace_id if run.steps else run.traces[0]
