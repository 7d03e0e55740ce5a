"""A call that changes the world must not succeed twice with the same arguments."""

from evaluators.actions import changes_world, has_failed
from evaluators.evaluator import evaluator
from evaluators.surroundings import ALONE, Surroundings
from evaluators.text import as_text, quote
from waypost.records import Evidence, Score, Status, Step, Trajectory


@evaluator(version=2)
def repeated_side_effect(
    run: Trajectory,
    around: Surroundings = ALONE,
    *,
    writes: tuple[str, ...] = (),
    reads: tuple[str, ...] = (),
) -> Score | None:
    """Fail when a tool with a side effect is done twice with equal arguments in one run."""
    done: dict[tuple[str | None, str], Step] = {}
    effects = [s for s in run.tool_steps if _is_effect(s, around, writes=writes, reads=reads)]
    for step in effects:
        earlier = done.get(step.call)
        done[step.call] = step
        if earlier and not _is_new(run, around, earlier, step):
            return _repeated(earlier, step)
    return Score.passed(f"{len(effects)} side effects, none repeated") if effects else None


def _is_effect(
    step: Step, around: Surroundings, *, writes: tuple[str, ...], reads: tuple[str, ...]
) -> bool:
    if not step.executed or step.status is not Status.OK or has_failed(step):
        return False
    if step.tool in reads:
        return False
    return step.tool in writes or changes_world(step, around.tools(step))


def _is_new(run: Trajectory, around: Surroundings, earlier: Step, later: Step) -> bool:
    """A call is the same deed again unless the user spoke or another change lies between them."""
    if around.heard(later) != around.heard(earlier):
        return True
    between = any(
        (earlier.number or 0) < (s.number or 0) < (later.number or 0) and changes_world(s)
        for s in run.tool_steps
    )
    return between and earlier.result != later.result


def _repeated(earlier: Step, later: Step) -> Score:
    arguments = quote(as_text(later.arguments), 120)
    return Score.failed(
        f"{later.tool} was done again with the same arguments {arguments}",
        label="repeated",
        step=later.id,
        evidence=(
            Evidence(step=later.id, where="arguments", quote=arguments),
            Evidence(step=earlier.id, where="arguments", note="the first time"),
        ),
    )
