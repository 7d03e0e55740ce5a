"""A step should not take far longer than its cohort usually does."""

from evaluators.anomaly import judge_anomaly
from evaluators.evaluator import evaluator
from evaluators.surroundings import ALONE, Surroundings
from waypost.records import Kind, Score, Step

NANOSECONDS_PER_MILLISECOND = 1_000_000


@evaluator(version=1, kinds=(Kind.LLM, Kind.TOOL, Kind.RETRIEVAL))
def latency_anomaly(
    step: Step, around: Surroundings = ALONE, *, deviations: float = 4.0, least: int = 30
) -> Score:
    """Fail when a step's time lies far above the baseline of the same model or tool."""
    if step.duration <= 0:
        return Score.abstained("the step has no duration")
    value = step.duration / NANOSECONDS_PER_MILLISECOND
    return judge_anomaly(
        step, around, measure="latency", value=value, limit=deviations, least=least
    )
