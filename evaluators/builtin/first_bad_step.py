"""Of a run that went wrong, the step that broke it: from errors, verdicts and data that spread."""

from collections.abc import Mapping

from evaluators.blame import Suspect, find_suspects, rank_suspects
from evaluators.evaluator import evaluator
from evaluators.linear import load_model
from evaluators.surroundings import ALONE, Surroundings
from waypost.rates import percent
from waypost.records import Evidence, Kind, Outcome, Score, Status, Trajectory

BROKEN = (Status.ERROR, Status.ABANDONED, Status.BLOCKED)
NAMED = 3


@evaluator(version=2, fitted=("first_bad_step", "rogue_action"))
def first_bad_step(
    run: Trajectory,
    around: Surroundings = ALONE,
    *,
    assume_broken: bool = False,
    model: str = "first_bad_step",
    rogue_model: str = "rogue_action",
) -> Score | None:
    """Fail a run in which something went wrong, and rank the steps that may have broken it."""
    if not run.steps:
        return None
    if not (assume_broken or _went_wrong(run, around)):
        return Score.passed("nothing says that this run went wrong")
    weights = load_model(model).weights
    here = around if around.run is run else Surroundings(run, around.baselines, around.verdicts)
    ranked = rank_suspects(find_suspects(here, rogue_model), weights)
    confidence, first = ranked[0]
    blamed = first.calls[0] if first.calls and _is_the_call(first) else first.step
    return Score.failed(
        f"step {blamed.number or '?'} ({blamed.tool or blamed.name}), {percent(confidence)} sure",
        value=0.0,
        label="first_bad_step",
        step=blamed.id,
        evidence=tuple(
            Evidence(step=s.step.id, where="step", note=f"{percent(c)}: {_why(s, weights)}")
            for c, s in ranked[:NAMED]
        ),
    )


def _went_wrong(run: Trajectory, around: Surroundings) -> bool:
    """A verdict failed, or the run ended in an error; one that was got over is none."""
    if run.status in BROKEN or any(v.outcome is Outcome.FAILED for v in around.verdicts):
        return True
    acted = [s for s in run.steps if s.kind in (Kind.TOOL, Kind.RETRIEVAL, Kind.MEMORY)]
    return any(s.status in BROKEN for s in (*acted[-1:], *run.steps[-1:]))


def _is_the_call(suspect: Suspect) -> bool:
    """Whether the blame lies on what was called more than on what was said."""
    marks = suspect.features
    named = ("failed:unsafe_action", "failed:tool_arguments", "failed:tool_scope", "danger")
    return any(marks.get(name) for name in named) or bool(marks.get("writes"))


def _why(suspect: Suspect, weights: Mapping[str, float]) -> str:
    """The features that speak most for this step."""
    told = {name: weights.get(name, 0.0) * value for name, value in suspect.features.items()}
    best = sorted((v, n) for n, v in told.items() if v > 0.05)[::-1][:3]
    return ", ".join(name.replace("_", " ") for _, name in best) or "nothing in particular"
