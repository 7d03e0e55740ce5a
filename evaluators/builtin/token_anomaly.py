"""A model call should not write far more tokens than its cohort usually does."""

from evaluators.anomaly import judge_anomaly
from evaluators.evaluator import evaluator
from evaluators.surroundings import ALONE, Surroundings
from waypost.records import Kind, Score, Step


@evaluator(version=1, kinds=(Kind.LLM,))
def token_anomaly(
    step: Step, around: Surroundings = ALONE, *, deviations: float = 4.0, least: int = 30
) -> Score:
    """Fail when output tokens lie far above the baseline of the same model in the cohort."""
    if not step.tokens.output:
        return Score.abstained("no output tokens were recorded")
    value = float(step.tokens.output)
    return judge_anomaly(step, around, measure="tokens", value=value, limit=deviations, least=least)
