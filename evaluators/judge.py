"""A language model asked for a verdict: hostile content fenced, the answer held to a schema."""

import secrets
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from email.utils import parsedate_to_datetime
from itertools import combinations
from typing import Any, Protocol

from evaluators.config import JudgeTask
from evaluators.evaluator import digest
from evaluators.rubrics import RUBRICS, SYSTEM
from evaluators.schema import schema_faults
from evaluators.surroundings import Surroundings, system_text
from evaluators.text import as_text, quote
from waypost.errors import WaypostError
from waypost.records import Evidence, Json, Score, Step, Trajectory
from waypost.store.judges import Spent

PROMPT_VERSION = 1
MOST_CONTENT = 60_000
MOST_PART = 12_000
DEFAULT_HOLD = 5.0
LONGEST_HOLD = 600.0
NOTHING = Spent()
VERDICT_SCHEMA: dict[str, Any] = {
    "title": "verdict",
    "description": "The verdict on the recording.",
    "type": "object",
    "properties": {
        "verdict": {"type": "string", "enum": ["pass", "fail", "cannot_judge"]},
        "score": {"type": "number", "minimum": 0, "maximum": 1},
        "label": {"type": "string"},
        "explanation": {"type": "string"},
        "quote": {"type": "string"},
        "step": {"type": "integer", "minimum": 0},
        "rules": {
            "type": "array",
            "items": {
                "type": "object",
                "properties": {
                    "rule": {"type": "string"},
                    "verdict": {"type": "string", "enum": ["kept", "broken", "not_applicable"]},
                },
                "required": ["rule", "verdict"],
                "additionalProperties": False,
            },
        },
        "revision": {"type": "string"},
    },
    "required": [
        "verdict",
        "score",
        "label",
        "explanation",
        "quote",
        "step",
        "rules",
        "revision",
    ],
    "additionalProperties": False,
}


class JudgeFailed(WaypostError):
    """The judge gave no usable verdict; what it took is spent all the same."""

    def __init__(self, message: str, *, spent: Spent = NOTHING, permanent: bool = False) -> None:
        super().__init__(message)
        self.spent = spent
        self.permanent = permanent


class JudgeHeld(WaypostError):
    """The judge's provider asks for a pause of `seconds`."""

    def __init__(self, seconds: float) -> None:
        super().__init__(f"The judge's provider asks to wait {seconds:.0f} s.")
        self.seconds = seconds


def sorted_error(error: BaseException) -> "JudgeHeld | JudgeFailed":
    """A provider's error as ours, whoever it is: hold, try again, or give up."""
    if isinstance(error, JudgeHeld | JudgeFailed):
        return error
    status = getattr(error, "status_code", None)
    name = type(error).__name__
    if status == 429:
        headers = getattr(getattr(error, "response", None), "headers", {})
        return JudgeHeld(retry_after(headers.get("retry-after")))
    permanent = status is not None and 400 <= status < 500 and status not in (408, 409)
    told = f"HTTP {status}" if status else f"{name}: {quote(str(error), 200)}"
    return JudgeFailed(f"The judge does not answer: {told}", permanent=permanent)


def retry_after(header: str | None, now: Callable[[], float] = time.time) -> float:
    """The seconds a Retry-After header asks for, in either of its forms."""
    if not header:
        return DEFAULT_HOLD
    try:
        seconds = float(header)
    except ValueError:
        try:
            seconds = parsedate_to_datetime(header).timestamp() - now()
        except (TypeError, ValueError):
            seconds = DEFAULT_HOLD
    return min(LONGEST_HOLD, max(0.0, seconds))


@dataclass(frozen=True, slots=True)
class Answer:
    """A model's answer: the parsed object, what it cost, and which model gave it."""

    value: Json
    spent: Spent = NOTHING
    model: str = ""


class Model(Protocol):
    """Whatever can be asked for JSON; its errors are told apart by `sorted_error`."""

    name: str

    def ask(self, system: str, content: str, schema: Mapping[str, Any]) -> Answer:
        """The model's answer to one question."""
        ...


def rubric_of(task: JudgeTask) -> str:
    """The words of a task: its own, or those of the rubric it names or is named after."""
    name = task.rubric or task.name.removesuffix("_judge")
    return RUBRICS.get(name, task.rubric or name)


def judge_version(task: JudgeTask, model: str) -> str:
    """Model, prompt, schema, policy and repeats: whatever changes the verdict is in the version."""
    parts = [model, rubric_of(task), SYSTEM, VERDICT_SCHEMA, task.policy, task.repeat]
    return f"{PROMPT_VERSION}-{digest(parts)}"


def ask_judge(
    task: JudgeTask,
    item: Step | Trajectory,
    around: Surroundings,
    model: Model,
    *,
    heard: Callable[[Answer], object] = lambda _: None,
) -> tuple[Score, Spent]:
    """The verdict of `repeat` askings: the majority's, with how far they agreed; and what it took.

    `heard` is told each answer at once: what the first took is spent though a later one may fail.
    """
    answers: list[Answer] = []
    for _ in range(max(1, task.repeat)):
        answers.append(_ask_once(task, item, around, model))
        heard(answers[-1])
    verdicts = [_verdict(a.value) for a in answers]
    winner = max(sorted(set(verdicts)), key=verdicts.count)
    chosen = answers[verdicts.index(winner)]
    spent = replace(sum((a.spent for a in answers), NOTHING), asked=1, **_agreed(verdicts))
    return _score(task, chosen, item, spent, agreed=verdicts.count(winner), model=model.name), spent


def _agreed(verdicts: Sequence[str]) -> dict[str, int]:
    """Of the pairs of askings, how many there are and how many said the same."""
    pairs = list(combinations(verdicts, 2))
    return {"pairs": len(pairs), "same": sum(one == other for one, other in pairs)}


def _ask_once(
    task: JudgeTask, item: Step | Trajectory, around: Surroundings, model: Model
) -> Answer:
    fence = f"=== {secrets.token_hex(12)} ==="
    policy = _policy_text(task)
    system = SYSTEM.format(fence=fence, rubric=rubric_of(task), policy=policy)
    recording = describe(item, around)
    answer = model.ask(system, f"{fence}\n{recording}\n{fence}", VERDICT_SCHEMA)
    faults = schema_faults(answer.value, VERDICT_SCHEMA, "verdict")
    if faults:
        raise JudgeFailed(
            f"The judge's answer is outside its schema: {faults[0].path}: {faults[0].message}",
            spent=answer.spent,
        )
    _check_step(answer, item)
    return answer


def _policy_text(task: JudgeTask) -> str:
    if task.policy is None:
        return ""
    rules = [f"- {r.id}: {r.text or r.kind}" for r in task.policy.rules]
    text = "\n".join([task.policy.text, *rules])
    return f"\nThe policy {task.policy.name}, version {task.policy.version}:\n{text}\n"


def _check_step(answer: Answer, item: Step | Trajectory) -> None:
    """A verdict may blame a step of the run it was shown, and nothing else."""
    number = _field(answer.value, "step")
    most = len(item.steps) if isinstance(item, Trajectory) else item.number or 0
    if isinstance(number, int) and number > max(most, 0):
        raise JudgeFailed(
            f"The judge blamed step {number}, which it was not shown.",
            spent=answer.spent,
        )


def describe(item: Step | Trajectory, around: Surroundings) -> str:
    """The recording a judge reads: the step with what led to it, or every step of the run."""
    if isinstance(item, Trajectory):
        goal = Surroundings(item).goal
        parts = [f"Goal: {_cut(goal)}", *(_line(s) for s in item.steps)]
        return _fit(parts)
    place = around.place(item)
    known = around.ledger.texts(place, ("document", "tool", "memory"))[-12:] if around.run else []
    model = around.model_step(item) or item
    parts = [
        f"System prompt:\n{_cut(system_text(model))}",
        *(f"{m.role}: {_cut(m.text)}" for m in model.input[-12:] if m.text),
        *(f"Evidence:\n{_cut(text)}" for text in known),
        f"The step to judge:\n{_line(item)}",
    ]
    return _fit(parts)


def _line(step: Step) -> str:
    """One step as a judge reads it."""
    head = f"Step {step.number or '?'} ({step.kind}{f', {step.agent}' if step.agent else ''})"
    if step.tool:
        call = f"{step.tool}({_cut(as_text(step.arguments), 4000)})"
        return f"{head}: {call} -> {_cut(as_text(step.result), 4000)}"
    said = "\n".join(m.text for m in step.output if m.text)
    calls = ", ".join(
        f"{c.get('name')}({quote(as_text(c.get('arguments')), 300)})"
        for m in step.output
        for c in m.tool_calls
    )
    found = "\n".join(_cut(d.content, 2000) for d in step.documents)
    return f"{head}: {_cut('; '.join(t for t in (said, calls, found) if t))}"


def _cut(text: str, most: int = MOST_PART) -> str:
    if len(text) <= most:
        return text
    return (
        f"{text[: most // 2]}\n[… {len(text) - most} characters left out …]\n{text[-most // 2 :]}"
    )


def _fit(parts: Sequence[str]) -> str:
    """All parts, or the first and the last ones when there is too much to read."""
    text = "\n\n".join(p for p in parts if p.strip())
    return _cut(text, MOST_CONTENT)


def _field(value: Json, name: str) -> Json:
    return value.get(name) if isinstance(value, dict) else None


def _verdict(value: Json) -> str:
    return str(_field(value, "verdict"))


def _score(
    task: JudgeTask,
    chosen: Answer,
    item: Step | Trajectory,
    spent: Spent,
    *,
    agreed: int,
    model: str,
) -> Score:
    value = chosen.value
    told = str(_field(value, "explanation") or "")[:2000]
    if task.repeat > 1:
        told = f"{told} ({agreed} of {task.repeat} askings agreed)"
    common: dict[str, Any] = {
        "label": str(_field(value, "label") or "") or None,
        "evidence": tuple(_evidence(value, item)),
        "evaluator": task.name,
        "version": judge_version(task, model),
        "source": "model",
        "by": chosen.model or model,
        "cost_usd": spent.cost_usd,
        "step": item.id if isinstance(item, Step) else None,
    }
    number = _field(value, "score")
    score = float(number) if isinstance(number, int | float) else 0.0
    match _verdict(value):
        case "pass":
            return Score.passed(told, value=score, **common)
        case "fail":
            return Score.failed(told or "the judge says no", value=score, **common)
        case _:
            return Score.abstained(told or "the judge could not tell", **common)


def _evidence(value: Json, item: Step | Trajectory) -> list[Evidence]:
    found = []
    words, number = str(_field(value, "quote") or ""), _field(value, "step")
    blamed = None
    if isinstance(item, Trajectory) and isinstance(number, int):
        step = item.step(number)
        blamed = step.id if step else None
    here = blamed or (item.id if isinstance(item, Step) else None)
    if words or blamed:
        found.append(Evidence(step=here, where="judge", quote=quote(words)))
    rules = _field(value, "rules")
    found += [
        Evidence(step=here, where="policy", note=str(_field(rule, "rule"))[:200])
        for rule in (rules if isinstance(rules, list) else ())
        if _field(rule, "verdict") == "broken"
    ]
    revision = str(_field(value, "revision") or "")
    if revision:
        found.append(Evidence(step=here, where="revision", quote=quote(revision, 1000)))
    return found
