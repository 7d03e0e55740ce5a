"""What speaks for a step having broken its run: errors, verdicts, and data that spread."""

# ruff: noqa: E501  a pattern reads better whole

import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from evaluators.actions import changes_world, has_failed
from evaluators.danger import dangers, forbidden_literals, forbidden_uses
from evaluators.linear import Linear, load_model, sigmoid
from evaluators.surroundings import Surroundings, answer_text
from evaluators.text import NUMERAL, WORD, as_text, leaves, plain_number
from waypost.records import Kind, Outcome, Score, Step

GUESSES = re.compile(
    r"\b(?:assum(?:e|ed|ing|ption)|simulat\w+|hypothetical\w*|placeholder|example data|for example"
    r"|likely|probably|approximate\w*|estimat\w+|sample data|mock|dummy|let['’]s say|general knowledge"
    r"|typically|based on (?:my|general|typical|common))\b",
    re.IGNORECASE,
)
HELPLESS = re.compile(
    r"\b(?:unable|cannot|can['’]t|could not|couldn['’]t|not (?:able|available|possible|found|provided)"
    r"|no (?:results?|information|data)|don['’]t have|failed|unfortunately|sorry|error)\b",
    re.IGNORECASE,
)
DECIDES = re.compile(
    r"\b(?:therefore|thus|so the (?:answer|total|result)|the (?:final )?(?:answer|result|total|count)"
    r" is|in conclusion|confirmed?|verified|correct(?:ly)?|final answer|terminate)\b",
    re.IGNORECASE,
)
PLANS = re.compile(
    r"\b(?:plan|step \d|first,|next,|we need to|we will|approach|ledger)\b", re.IGNORECASE
)
CODE = re.compile(r"```|\bdef |\bimport |\bSELECT ", re.IGNORECASE)


Turn = tuple[Step, tuple[Step, ...]]
Failed = Mapping[str, set[str]]


@dataclass(frozen=True, slots=True)
class Suspect:
    """One decision of the agent, the calls it led to, and the features that count against it."""

    step: Step
    calls: tuple[Step, ...]
    features: Mapping[str, float]


def find_suspects(around: Surroundings, rogue_model: str = "rogue_action") -> list[Suspect]:
    """Every model step of a run with its calls, or every step where no model step was recorded."""
    steps = around.run.steps if around.run else ()
    turns = _turns(steps)
    marks = _Marks(around, turns, load_model(rogue_model))
    return [Suspect(s, calls, dict(marks.of(n))) for n, (s, calls) in enumerate(turns)]


def _turns(steps: tuple[Step, ...]) -> list[Turn]:
    """Each decision with the tool steps that follow it until the next decision."""
    heads = [n for n, s in enumerate(steps) if s.kind in (Kind.LLM, Kind.PLAN)]
    if not heads:
        return [(s, ()) for s in steps]
    ends = [*heads[1:], len(steps)]
    return [
        (steps[a], tuple(s for s in steps[a + 1 : b] if s.kind is not Kind.LLM))
        for a, b in zip(heads, ends, strict=True)
    ]


class _Marks:
    """Features of the turns of one run; what earlier turns did is remembered as it goes."""

    def __init__(self, around: Surroundings, turns: list[Turn], rogue: Linear) -> None:
        self.around, self.turns, self.rogue = around, turns, rogue
        self.failed = failed_by_step(around.verdicts)
        self.seen: set[str] = set()
        self.writes = self.errors = 0
        self.numbers: set[str] = set()
        self.agents: set[str | None] = set()

    def of(self, n: int) -> Iterator[tuple[str, float]]:
        step, calls = self.turns[n]
        yield from self._place(n)
        yield from self._said(step, n)
        yield from self._did(step, calls)
        yield from self._verdicts(step, calls)

    def _place(self, n: int) -> Iterator[tuple[str, float]]:
        total = len(self.turns)
        yield "position", n / max(1, total - 1)
        yield "first", float(n == 0)
        yield "second", float(n == 1)
        yield "last", float(n == total - 1)
        yield "early", 1 / (1 + n)

    def _said(self, step: Step, n: int) -> Iterator[tuple[str, float]]:
        said = answer_text(step)
        yield "guesses", min(3, len(GUESSES.findall(said))) / 3
        yield "helpless", min(3, len(HELPLESS.findall(said))) / 3
        yield "decides", min(3, len(DECIDES.findall(said))) / 3
        yield "plans", float(bool(PLANS.search(said)))
        yield "code", float(bool(CODE.search(said)))
        yield "long", min(1.0, len(said) / 2000)
        yield "silent", float(not said.strip())
        mark = said[:300]
        yield "repeats", float(bool(mark) and mark in self.seen)
        self.seen.add(mark)
        yield "new_agent", float(step.agent not in self.agents)
        self.agents.add(step.agent)
        yield from self._new_values(step, said, n)

    def _new_values(self, step: Step, said: str, n: int) -> Iterator[tuple[str, float]]:
        """Numbers this step was the first to say, and whether later steps build on them."""
        place, known = self.around.place(step), self.around.ledger.numbers
        fresh = {
            number
            for number in map(plain_number, NUMERAL.findall(said[:8000]))
            if len(number) > 1 and number not in self.numbers and known.get(number, place) >= place
        }
        self.numbers |= fresh
        yield "new_numbers", min(4, len(fresh)) / 4
        later = " ".join(answer_text(s) + _called(c) for s, c in self.turns[n + 1 : n + 9])
        used = set(map(plain_number, NUMERAL.findall(later[:20_000]))) if fresh else set()
        yield "values_spread", min(3, len(fresh & used)) / 3

    def _did(self, step: Step, calls: tuple[Step, ...]) -> Iterator[tuple[str, float]]:
        tools = self.around.tools(step)
        writes = sum(changes_world(c, tools) for c in calls)
        errors = sum(has_failed(c) for c in calls)
        yield "calls", float(bool(calls))
        yield "writes", float(writes > 0)
        yield "first_write", float(writes > 0 and self.writes == 0)
        yield "fails", float(errors > 0)
        yield "first_fail", float(errors > 0 and self.errors == 0)
        yield "after_fail", float(self.errors > 0 and errors == 0)
        empty = sum(len(as_text(c.result)) < 5 for c in calls)
        yield "empty_result", float(empty > 0)
        self.writes += writes
        self.errors += errors
        yield "hands_over", float(any("transfer" in (c.tool or "") for c in calls))

    def _verdicts(self, step: Step, calls: tuple[Step, ...]) -> Iterator[tuple[str, float]]:
        ids = [step.id, *(c.id for c in calls)]
        names = {name for i in ids for name in self.failed.get(i, ())}
        for name in VERDICTS:
            yield f"failed:{name}", float(name in names)
        action = _called(calls)
        banned = forbidden_literals(self.around.system_text(step))
        yield "forbidden", float(any(forbidden_uses(action, banned)))
        yield "danger", float(any(dangers(action)))
        rogue = self.rogue.margin(f"{answer_text(step)[:2000]} {action}")
        yield "rogue", sigmoid(rogue) if calls else 0.0


VERDICTS = (
    "tool_arguments",
    "hallucination",
    "groundedness",
    "tool_scope",
    "prompt_injection",
    "unsafe_action",
)


def _called(calls: tuple[Step, ...]) -> str:
    texts = (as_text(v) for c in calls for _, v in leaves(c.arguments))
    return " ".join(t for t in texts if WORD.search(t))[:8000]


def failed_by_step(verdicts: tuple[Score, ...]) -> Failed:
    """The names of the verdicts that failed, by the step they are on."""
    failed: dict[str, set[str]] = {}
    for score in verdicts:
        if score.step is not None and score.outcome is Outcome.FAILED:
            failed.setdefault(score.step, set()).add(score.evaluator.split(".")[0])
    return failed


def rank_suspects(
    suspects: Sequence[Suspect], weights: Mapping[str, float]
) -> list[tuple[float, Suspect]]:
    """The suspects with the confidence that each is the one, likeliest first."""
    scores = [
        sum(weights.get(name, 0.0) * value for name, value in s.features.items()) for s in suspects
    ]
    highest = max(scores, default=0.0)
    powers = [math.exp(score - highest) for score in scores]
    total = sum(powers)
    ranked = [(power / total, s) for power, s in zip(powers, suspects, strict=True)]
    return sorted(ranked, key=lambda pair: -pair[0])
