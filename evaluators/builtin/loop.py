"""An agent must not go round in circles: the same actions with the same results."""

from collections.abc import Sequence

from evaluators.evaluator import evaluator
from evaluators.text import as_text, leaves, quote
from waypost.records import Evidence, Json, Kind, Score, Step, Trajectory

LONGEST_CYCLE = 4


@evaluator(version=2)
def loop(run: Trajectory, *, repeats: int = 3) -> Score | None:
    """Fail when a cycle of up to four actions comes `repeats` times in a row with equal results."""
    acts = [s for s in run.steps if _is_action(s)]
    if len(acts) < repeats:
        return Score.passed("too short to go round in circles") if run.steps else None
    marks = [_mark(s) for s in acts]
    for length in range(1, LONGEST_CYCLE + 1):
        start, count = _longest_cycle(marks, length)
        if count >= repeats:
            return _caught(acts[start : start + length * count], length, count)
    return Score.passed()


def _is_action(step: Step) -> bool:
    return step.kind in (Kind.TOOL, Kind.RETRIEVAL, Kind.HANDOFF) or (
        step.kind is Kind.LLM and any(m.text for m in step.output)
    )


def _mark(step: Step) -> object:
    """What makes two actions equal; a poll whose answer changes is no repetition."""
    match step.kind:
        case Kind.TOOL:
            arguments = [(path, _trimmed(value)) for path, value in leaves(step.arguments)]
            return step.tool, repr(sorted(arguments, key=repr)), as_text(step.result).strip()
        case Kind.RETRIEVAL:
            return "retrieval", step.query, tuple(d.content for d in step.documents)
        case Kind.HANDOFF:
            return "handoff", step.handoff_from, step.handoff_to
        case _:
            return step.agent, *(m.text.strip() for m in step.output)


def _trimmed(value: Json) -> Json:
    return value.strip() if isinstance(value, str) else value


def _longest_cycle(marks: Sequence[object], length: int) -> tuple[int, int]:
    """Where the most rounds of a cycle of that length begin, and how many there are."""
    best = (0, 1)
    run = 0
    for place in range(length, len(marks)):
        run = run + 1 if marks[place] == marks[place - length] else 0
        rounds = run // length + 1
        if rounds > best[1]:
            best = (place - run - length + 1, rounds)
    return best


def _caught(steps: Sequence[Step], length: int, count: int) -> Score:
    second_round = steps[length]
    what = ", ".join(quote(s.tool or s.name, 40) for s in steps[:length])
    return Score.failed(
        f"{what} came {count} times in a row with the same result",
        value=1 / count,
        label="loop",
        step=second_round.id,
        evidence=tuple(Evidence(step=s.id, where="step") for s in steps[length::length][:10]),
    )
