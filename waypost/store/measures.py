"""What a settled run adds up to beyond its columns: retries, blocks, versions, kinds of error."""

from collections.abc import Iterator
from enum import IntEnum

from waypost.canon import canonical, digest
from waypost.records import Feedback, Json, Kind, Status, Step, Trajectory

_MOST = 50
_NAME = 128
_OVERRULED = frozenset({"reject", "edit"})


class Measure(IntEnum):
    """What is counted of runs. `n` counts the runs that have it, `total` adds it up."""

    RUNS = 1
    ERRORS = 2
    RETRIES = 3
    BLOCKS = 4
    FALLBACKS = 5
    LATENCY = 6
    TOKENS = 7
    COST = 8
    THUMBS_DOWN = 9
    ESCALATIONS = 10
    TICKETS = 11
    OVERRIDES = 12


# A histogram's bucket is its measure's base and a quarter of a power of two.
HISTOGRAMS = {Measure.LATENCY: 1000, Measure.TOKENS: 2000, Measure.COST: 3000}
_COST_UNIT = 1e-6


def of_run(run: Trajectory) -> dict[str, Json]:
    """The JSON kept beside a settled run."""
    faults: dict[str, Json] = {
        s.span_id: s.error.type[:_NAME] for s in run.steps if s.error and s.error.type
    }
    return {
        "retries": sum(s.attempt > 1 for s in run.steps),
        "blocks": sum(_is_block(s) for s in run.steps),
        "fallbacks": sum(len(s.fallbacks) for s in run.model_steps),
        "latency_ms": max(0, run.ended_at - run.started_at) / 1e6,
        "faults": dict(list(faults.items())[:_MOST]),
        "versions": [list(v) for v in sorted(set(_versions(run)))[:_MOST]],
        **_said(run),
    }


def _is_block(step: Step) -> bool:
    blocked = step.guard is not None and step.guard.action == "block"
    return blocked or (step.kind is Kind.GUARDRAIL and step.status is Status.BLOCKED)


def _versions(run: Trajectory) -> Iterator[tuple[str, str, str]]:
    """Kind, name and version of everything that may have changed behind a failure."""
    for step in run.steps:
        if step.prompt_version:
            yield "prompt", (step.prompt_name or "prompt")[:_NAME], step.prompt_version[:_NAME]
        if step.kind is Kind.LLM and (step.model or step.model_requested):
            yield "model", (step.provider or "model")[:_NAME], _model(step)
        if step.guard is not None and step.guard.policy:
            yield "policy", step.guard.name[:_NAME], step.guard.policy[:_NAME]
        yield from _tools(step)
    of_run = run.cohort.get("prompt_version")
    if of_run and not any(step.prompt_version for step in run.steps):
        yield "prompt", "prompt", of_run[:_NAME]
    if run.agent and run.agent_version:
        yield "agent", run.agent[:_NAME], run.agent_version[:_NAME]


def _model(step: Step) -> str:
    return (step.model or step.model_requested or "")[:_NAME]


def _tools(step: Step) -> Iterator[tuple[str, str, str]]:
    """A tool's version is its definition: a changed schema or description is a new one."""
    for tool in step.tools or ():
        if not isinstance(tool, dict):
            continue
        inner = tool.get("function")
        name = tool.get("name") or (inner.get("name") if isinstance(inner, dict) else None)
        if isinstance(name, str) and name:
            yield "tool", name[:_NAME], digest(canonical(tool)).hex()[:8]


def _said(run: Trajectory) -> dict[str, Json]:
    """What people made of the run."""
    names = [said_as(f) for f in run.feedback]
    overridden = sum(s.human is not None and s.human.decision in _OVERRULED for s in run.steps)
    return {
        "thumbs_down": names.count(Measure.THUMBS_DOWN),
        "escalations": names.count(Measure.ESCALATIONS),
        "tickets": names.count(Measure.TICKETS),
        "overrides": names.count(Measure.OVERRIDES) + overridden,
    }


def said_as(feedback: Feedback) -> Measure | None:
    """Which count a person's word belongs to; None for praise and for evaluators' verdicts."""
    name = feedback.name.lower().replace("-", "_")
    if "escalat" in name:
        return Measure.ESCALATIONS
    if "ticket" in name:
        return Measure.TICKETS
    if "override" in name:
        return Measure.OVERRIDES
    return Measure.THUMBS_DOWN if name in _THUMBS and _is_down(feedback) else None


_THUMBS = frozenset(
    {"thumb", "thumbs", "thumbs_down", "thumb_down", "user_feedback", "user_rating", "user_score"}
)
_DOWN = frozenset({"down", "thumbs_down", "negative", "bad", "dislike", "-1", "👎"})


def _is_down(feedback: Feedback) -> bool:
    if feedback.passed is not None:
        return not feedback.passed
    if feedback.label is not None:
        return feedback.label.lower() in _DOWN
    if feedback.value is not None:
        return feedback.value <= 0
    return feedback.name.lower().replace("-", "_").endswith("_down")
