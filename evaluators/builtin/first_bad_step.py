"""Of a run that went wrong, the step that broke it: from errors, verdicts and data that spread."""

from collections.abc import Mapping

from evaluators.blame import Failed, Suspect, failed_by_step, find_suspects, rank_suspects
from evaluators.evaluator import evaluator
from evaluators.linear import load_model
from evaluators.surroundings import ALONE, Surroundings
from waypost.rates import percent
from waypost.records import Evidence, Kind, Outcome, Score, Status, Step, Trajectory

BROKEN = (Status.ERROR, Status.ABANDONED, Status.BLOCKED)
NAMED = 3


@evaluator(version=5, fitted=("first_bad_step", "rogue_action"))
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
    only_errors_tell = not assume_broken and not _failed_a_verdict(around)
    crash = run.crash if only_errors_tell else None
    if crash is not None:
        return Score.abstained(f"the run ended in {crash.type} between its steps; none shows it")
    broken = _broken(run) if only_errors_tell else None
    if broken is not None:
        what = broken.error.type if broken.error is not None else broken.status.value
        return Score.failed(
            f"step {broken.number or '?'} ({broken.tool or broken.name}), it ended in {what}",
            value=0.0, label="first_bad_step", step=broken.id,
            evidence=(Evidence(step=broken.id, where="step", note=f"ended in {what}"),),
        )  # fmt: skip
    weights = load_model(model).weights
    here = around if around.run is run else Surroundings(run, around.baselines, around.verdicts)
    suspects = find_suspects(here, rogue_model)
    failed = failed_by_step(here.verdicts)
    accused = [s for s in suspects if _accused(s, failed)]
    if assume_broken or _ended_badly(run):
        accused = []
    ranked = rank_suspects(accused or suspects, weights)
    confidence, first = ranked[0]
    blamed = _blamed(first, failed)
    names = ", ".join(_failed_names(first, failed))
    told = [f"{percent(confidence)} sure"] if len(accused) != 1 else []
    told += [f"it failed {names}"] if names else []
    return Score.failed(
        f"step {blamed.number or '?'} ({blamed.tool or blamed.name}), {'; '.join(told)}",
        value=0.0,
        label="first_bad_step",
        step=blamed.id,
        evidence=tuple(
            Evidence(
                step=_blamed(s, failed).id,
                where="step",
                note=(f"{percent(c)}: " if len(accused) != 1 else "") + _why(s, weights, failed),
            )
            for c, s in ranked[:NAMED]
        ),
    )


def _went_wrong(run: Trajectory, around: Surroundings) -> bool:
    """A verdict failed, or the run ended in an error; one that was got over is none."""
    return _ended_badly(run) or _failed_a_verdict(around)


def _failed_a_verdict(around: Surroundings) -> bool:
    return any(v.outcome is Outcome.FAILED for v in around.verdicts)


def _ended_badly(run: Trajectory) -> bool:
    """Whether the run itself says so; otherwise what failed a verdict is all there is to blame."""
    acted = [s for s in run.steps if s.kind in (Kind.TOOL, Kind.RETRIEVAL, Kind.MEMORY)]
    last = (*acted[-1:], *run.steps[-1:])
    return run.status in BROKEN or any(s.status in BROKEN for s in last)


def _broken(run: Trajectory) -> Step | None:
    """The first step in error that no later one of its kind and tool got over."""
    for n, step in enumerate(run.steps):
        if step.status is Status.ERROR:
            again = (s for s in run.steps[n + 1 :] if s.kind is step.kind and s.tool == step.tool)
            if all(s.status is Status.ERROR for s in again):
                return step
    return None


def _accused(suspect: Suspect, failed: Failed) -> list[Step]:
    """The steps of a turn that failed a verdict."""
    return [s for s in (suspect.step, *suspect.calls) if s.id in failed]


def _failed_names(suspect: Suspect, failed: Failed) -> list[str]:
    return sorted({name for s in _accused(suspect, failed) for name in failed[s.id]})


def _blamed(suspect: Suspect, failed: Failed) -> Step:
    """The step of a turn that failed a verdict, else the call if more speaks against it."""
    accused = _accused(suspect, failed)
    if accused:
        return accused[0]
    return suspect.calls[0] if suspect.calls and _is_the_call(suspect) else suspect.step


def _is_the_call(suspect: Suspect) -> bool:
    """Whether the blame lies on what was called more than on what was said."""
    return bool(suspect.features.get("danger") or suspect.features.get("writes"))


def _why(suspect: Suspect, weights: Mapping[str, float], failed: Failed) -> str:
    """The verdicts that failed, and the features that speak most for this step."""
    told = {name: weights.get(name, 0.0) * value for name, value in suspect.features.items()}
    best = sorted((v, n) for n, v in told.items() if v > 0.05 and "failed:" not in n)[::-1][:3]
    reasons = [f"failed {name}" for name in _failed_names(suspect, failed)]
    reasons += [name.replace("_", " ") for _, name in best]
    return ", ".join(reasons) or "nothing in particular"
