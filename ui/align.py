"""Two runs laid beside each other: which steps are the same, changed, or in one run only."""

import difflib
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from ui.outline import label_of
from waypost.records import Kind, Step, Trajectory

_MOST = 4000


class Side(StrEnum):
    """What became of a step from the one run to the other."""

    SAME = "same"
    CHANGED = "changed"
    ONLY_LEFT = "only left"
    ONLY_RIGHT = "only right"


@dataclass(frozen=True, slots=True)
class Pair:
    """A line of the comparison."""

    side: Side
    left: Step | None
    right: Step | None
    why: str = ""


def align(left: Trajectory, right: Trajectory) -> list[Pair]:
    """The steps of both runs in order; equal tool and arguments are the same step."""
    one, two = left.steps[:_MOST], right.steps[:_MOST]
    matcher = difflib.SequenceMatcher(
        None, [_key(s) for s in one], [_key(s) for s in two], autojunk=False
    )
    pairs: list[Pair] = []
    for what, a, b, c, d in matcher.get_opcodes():
        if what == "equal":
            pairs += [_pair(x, y) for x, y in zip(one[a:b], two[c:d], strict=True)]
        else:
            pairs += _replaced(one[a:b], two[c:d])
    return pairs


def _key(step: Step) -> tuple[str, str, str]:
    """What a step is, apart from what came out of it."""
    if step.kind is Kind.TOOL:
        return str(step.kind), step.tool or step.name, step.call[1]
    if step.kind is Kind.RETRIEVAL:
        return str(step.kind), step.data_source or step.name, step.query or ""
    if step.kind is Kind.LLM:
        return str(step.kind), step.agent or "", ""
    return str(step.kind), label_of(step), ""


def _replaced(one: Sequence[Step], two: Sequence[Step]) -> list[Pair]:
    """Steps of the same name are one changed step; the rest are in one run only."""
    matcher = difflib.SequenceMatcher(
        None, [_key(s)[:2] for s in one], [_key(s)[:2] for s in two], autojunk=False
    )
    pairs: list[Pair] = []
    for what, a, b, c, d in matcher.get_opcodes():
        if what == "equal":
            pairs += [_pair(x, y) for x, y in zip(one[a:b], two[c:d], strict=True)]
            continue
        pairs += [Pair(Side.ONLY_LEFT, step, None) for step in one[a:b]]
        pairs += [Pair(Side.ONLY_RIGHT, None, step) for step in two[c:d]]
    return pairs


def _pair(left: Step, right: Step) -> Pair:
    changed = [name for name, one, two in _looked_at(left, right) if one != two]
    return Pair(Side.CHANGED if changed else Side.SAME, left, right, ", ".join(changed))


def _looked_at(left: Step, right: Step) -> list[tuple[str, object, object]]:
    return [
        ("arguments", left.call[1], right.call[1]),
        ("query", left.query, right.query),
        ("result", left.result, right.result),
        ("documents", left.documents, right.documents),
        ("output", [m.text for m in left.output], [m.text for m in right.output]),
        ("calls", _calls(left), _calls(right)),
        ("status", left.status, right.status),
        ("model", left.model, right.model),
        ("prompt", left.prompt_version, right.prompt_version),
    ]


def _calls(step: Step) -> list[object]:
    """What a model asked for, without the ids that differ in every run."""
    return [(c.get("name"), c.get("arguments")) for m in step.output for c in m.tool_calls]


def first_difference(pairs: Sequence[Pair]) -> int | None:
    """The place of the first line that differs in more than the model or prompt asked."""
    names = {"model", "prompt", "model, prompt"}
    for place, pair in enumerate(pairs):
        if pair.side is not Side.SAME and pair.why not in names:
            return place
    return next((i for i, p in enumerate(pairs) if p.side is not Side.SAME), None)


def unified(before: str, after: str) -> str:
    """The lines of two texts with their signs; empty when they are equal."""
    lines = difflib.unified_diff(
        before.splitlines()[:2000], after.splitlines()[:2000], lineterm="", n=3
    )
    return "\n".join(line for line in lines if not line.startswith(("---", "+++")))
