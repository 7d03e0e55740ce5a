"""A run has a budget of steps, model calls, tokens, dollars and seconds."""

from evaluators.evaluator import evaluator
from waypost.records import Evidence, Score, Step, Trajectory

NANOSECONDS = 1_000_000_000


@evaluator(version=1)
def step_budget(
    run: Trajectory,
    *,
    steps: int = 60,
    model_calls: int = 0,
    tokens: int = 0,
    dollars: float = 0.0,
    seconds: float = 0.0,
) -> Score | None:
    """Fail when a run needs more than its budget; a limit of 0 is not checked."""
    if not run.steps:
        return None
    spent = _spent(run)
    limits = (steps, model_calls, tokens, dollars, seconds)
    pairs = zip(spent.items(), limits, strict=True)
    over = {name: (have, limit) for (name, have), limit in pairs if limit and have > limit}
    if not over:
        return Score.passed(f"{len(run.steps)} steps")
    what = ", ".join(f"{have:g} {key} of {limit:g}" for key, (have, limit) in over.items())
    blamed = _first_over(run, steps)
    return Score.failed(
        f"over budget: {what}",
        value=min(limit / have for have, limit in over.values()),
        label=next(iter(over)),
        step=blamed.id,
        evidence=(Evidence(step=blamed.id, where="step", note="the first beyond the budget"),),
    )


def _spent(run: Trajectory) -> dict[str, float]:
    tokens = run.tokens
    return {
        "steps": len(run.steps),
        "model_calls": len(run.model_steps),
        "tokens": (tokens.input or 0) + (tokens.output or 0),
        "dollars": run.cost_usd or 0.0,
        "seconds": max(0, run.ended_at - run.started_at) / NANOSECONDS,
    }


def _first_over(run: Trajectory, limit: int) -> Step:
    return run.steps[limit] if 0 < limit < len(run.steps) else run.steps[-1]
