"""How far a measure lies from its cohort's baseline, in robust deviations of its logarithm."""

import math
from collections.abc import Iterable

from evaluators.surroundings import Baseline, Surroundings
from waypost.records import Evidence, Score, Step

MAD_TO_SIGMA = 1.4826
LEAST_SPREAD = 0.1


def baseline(values: Iterable[float]) -> Baseline | None:
    """The baseline of positive values; None when there are none."""
    logs = sorted(math.log(v) for v in values if v > 0)
    if not logs:
        return None
    middle = _median(logs)
    spread = MAD_TO_SIGMA * _median(sorted(abs(v - middle) for v in logs))
    return Baseline(len(logs), middle, max(spread, LEAST_SPREAD))


def _median(ordered: list[float]) -> float:
    half = len(ordered) // 2
    return ordered[half] if len(ordered) % 2 else (ordered[half - 1] + ordered[half]) / 2


def judge_anomaly(
    step: Step, around: Surroundings, *, measure: str, value: float, limit: float, least: int
) -> Score:
    """Fail when the value lies more than `limit` deviations above what its cohort usually shows."""
    key = f"{measure}:{step.kind}:{step.model or step.tool or step.name}"
    usual = around.baselines.get(key)
    if usual is None or usual.n < least:
        known = usual.n if usual else 0
        return Score.abstained(f"only {known} earlier values of {key}; {least} are needed")
    deviations = (math.log(value) - usual.median) / usual.spread
    score = 1 / (1 + math.exp(min(60.0, deviations - limit)))
    told = f"{value:,.0f} {measure}, usually {math.exp(usual.median):,.0f}"
    if deviations <= limit:
        return Score.passed(told, value=score)
    evidence = Evidence(step=step.id, where=measure, quote=f"{value:,.0f}")
    return Score.failed(
        f"{told}: {deviations:.1f} deviations above",
        value=score,
        label="high",
        evidence=(evidence,),
    )
