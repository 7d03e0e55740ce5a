"""The nouns every room shares: spans, steps, trajectories, scores, cohorts."""

from collections import deque
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from itertools import pairwise, repeat
from operator import attrgetter, call
from typing import TypeAlias

Json: TypeAlias = "bool | int | float | str | list[Json] | dict[str, Json] | None"


class Kind(StrEnum):
    """What a span is: one of the kinds of step, a scope around steps, or something else."""

    PLAN = "plan"
    LLM = "llm"
    TOOL = "tool"
    RETRIEVAL = "retrieval"
    MEMORY = "memory"
    GUARDRAIL = "guardrail"
    HANDOFF = "handoff"
    HUMAN = "human"
    AGENT = "agent"
    SCOPE = "scope"
    OTHER = "other"
    FEEDBACK = "feedback"

    @property
    def is_step(self) -> bool:
        return self not in _NOT_STEPS

    @property
    def is_scope(self) -> bool:
        return self in (Kind.AGENT, Kind.SCOPE)


_NOT_STEPS = frozenset({Kind.AGENT, Kind.SCOPE, Kind.OTHER, Kind.FEEDBACK})


class Status(StrEnum):
    """How a step or a trajectory ended."""

    OK = "ok"
    ERROR = "error"
    INTERRUPTED = "interrupted"
    BLOCKED = "blocked"
    NOT_EXECUTED = "not_executed"
    ABANDONED = "abandoned"
    RUNNING = "running"


@dataclass(frozen=True, slots=True)
class Event:
    """Something noted on a span at one moment."""

    name: str
    at: int
    attributes: Mapping[str, Json]


@dataclass(frozen=True, slots=True)
class Link:
    """A pointer from one span to another."""

    trace_id: str
    span_id: str
    attributes: Mapping[str, Json]


@dataclass(frozen=True, slots=True)
class RawSpan:
    """A span as it arrived: decoded to plain values, cleaned, not yet understood.

    Ids are lower-case hex; times are nanoseconds since 1970. `notes` says what was cleaned or
    cut on the way, one `what=how much` each.
    """

    trace_id: str
    span_id: str
    parent_id: str | None
    name: str
    started_at: int
    ended_at: int
    status_code: int = 0
    status_message: str = ""
    span_kind: int = 0
    attributes: Mapping[str, Json] = field(default_factory=dict)
    events: tuple[Event, ...] = ()
    links: tuple[Link, ...] = ()
    resource: Mapping[str, Json] = field(default_factory=dict)
    scope_name: str = ""
    scope_version: str = ""
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class LogRecord:
    """An OTLP log record whose event name belongs to us."""

    event_name: str
    trace_id: str | None
    span_id: str | None
    at: int
    body: Json = None
    attributes: Mapping[str, Json] = field(default_factory=dict)
    resource: Mapping[str, Json] = field(default_factory=dict)
    scope_name: str = ""


@dataclass(frozen=True, slots=True)
class Message:
    """One message of a conversation in the GenAI shape.

    A part is a mapping with a `type`: text{content}, tool_call{id,name,arguments},
    tool_call_response{id,response}, reasoning{content}, blob, uri, file, or anything kept whole.
    """

    role: str
    parts: tuple[Mapping[str, Json], ...] = ()
    extra: Mapping[str, Json] = field(default_factory=dict)

    @property
    def text(self) -> str:
        """The text parts, joined by line ends."""
        parts = (p.get("content") for p in self.parts if p.get("type") == "text")
        return "\n".join(p for p in parts if isinstance(p, str))

    @property
    def tool_calls(self) -> tuple[Mapping[str, Json], ...]:
        return tuple(p for p in self.parts if p.get("type") == "tool_call")

    @property
    def tool_responses(self) -> tuple[Mapping[str, Json], ...]:
        return tuple(p for p in self.parts if p.get("type") == "tool_call_response")

    def as_json(self) -> dict[str, Json]:
        return {**self.extra, "role": self.role, "parts": [dict(p) for p in self.parts]}

    @classmethod
    def from_json(cls, value: Mapping[str, Json]) -> "Message":
        """The message in a JSON object; what is not role or parts is kept in `extra`."""
        parts = value.get("parts")
        kept = tuple(p for p in parts if isinstance(p, dict)) if isinstance(parts, list) else ()
        extra = {k: v for k, v in value.items() if k not in ("role", "parts")}
        return cls(str(value.get("role") or ""), kept, extra)


@dataclass(frozen=True, slots=True)
class Document:
    """One document a retrieval returned."""

    content: str = ""
    id: str | None = None
    score: float | None = None
    metadata: Mapping[str, Json] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Tokens:
    """Token usage; None is unknown, never zero. Cached is part of input, reasoning of output."""

    input: int | None = None
    output: int | None = None
    cache_read: int | None = None
    cache_write: int | None = None
    reasoning: int | None = None


@dataclass(frozen=True, slots=True)
class Fault:
    """Why a step failed: the class of the error, its message, and the stack kept apart."""

    type: str
    message: str = ""
    stack: str = ""


@dataclass(frozen=True, slots=True)
class Guard:
    """A guardrail's decision; actions are allow, block, rewrite, route, review."""

    name: str
    action: str = "allow"
    stage: str | None = None
    reason: str | None = None
    policy: str | None = None
    target_step: int | None = None


@dataclass(frozen=True, slots=True)
class Human:
    """A person's decision on a waiting step: approve, edit, reject or respond."""

    decision: str
    reviewer: str | None = None
    comment: str | None = None


@dataclass(frozen=True, slots=True)
class Memory:
    """One operation on an agent's memory."""

    operation: str
    store: str | None = None
    key: str | None = None
    query: str | None = None
    records: tuple[Json, ...] = ()


@dataclass(frozen=True, slots=True)
class Step:
    """A span read by one convention; after assembly, one numbered step of a trajectory.

    A reader fills what its span says and leaves the rest empty. `waypost.assembly` then gives
    numbers, folds doubles, fills gaps from neighbours and completes delta inputs. `attributes`
    holds everything of the span that did not become a payload field, unchanged.
    """

    trace_id: str
    span_id: str
    parent_id: str | None
    kind: Kind
    name: str
    started_at: int
    ended_at: int
    status: Status = Status.OK
    convention: str = "generic"
    # numbering
    number: int | None = None
    turn: int | None = None
    attempt: int = 1
    parent_step: int | None = None
    # who and where
    trajectory_id: str | None = None
    agent: str | None = None
    agent_version: str | None = None
    session: str | None = None
    user: str | None = None
    environment: str | None = None
    service: str | None = None
    cohort: Mapping[str, str] = field(default_factory=dict)
    error: Fault | None = None
    operation: str | None = None
    # model steps; input_base and input_keep: a delta on that step's input (number or span id)
    provider: str | None = None
    model_requested: str | None = None
    model: str | None = None
    params: Mapping[str, Json] = field(default_factory=dict)
    input: tuple[Message, ...] = ()
    output: tuple[Message, ...] = ()
    system: tuple[Json, ...] | None = None
    tools: tuple[Json, ...] | None = None
    input_base: int | None = None
    input_keep: int | None = None
    input_complete: bool = True
    tokens: Tokens = Tokens()
    cost_usd: float | None = None
    cost_source: str | None = None
    ttft: int | None = None
    finish_reason: str | None = None
    response_id: str | None = None
    route: str | None = None
    fallbacks: tuple[str, ...] = ()
    prompt_name: str | None = None
    prompt_version: str | None = None
    # tool steps
    tool: str | None = None
    call_id: str | None = None
    tool_type: str | None = None
    arguments: Json = None
    arguments_from: str | None = None
    result: Json = None
    executed: bool = True
    # the other kinds
    query: str | None = None
    documents: tuple[Document, ...] = ()
    data_source: str | None = None
    memory: Memory | None = None
    guard: Guard | None = None
    handoff_from: str | None = None
    handoff_to: str | None = None
    human: Human | None = None
    # scopes: what the root says of the whole run
    total_steps: int | None = None
    final_step: int | None = None
    # where it came from
    marker: bool = False
    derived: bool = False
    links: tuple[Link, ...] = ()
    attributes: Mapping[str, Json] = field(default_factory=dict)
    resource: Mapping[str, Json] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    # what a later reading needs of the span: name, kind, code, message, scope, version, events
    origin: Mapping[str, Json] = field(default_factory=dict)

    @property
    def id(self) -> str:
        return self.span_id

    @property
    def duration(self) -> int:
        """Nanoseconds from start to end, never negative."""
        return max(0, self.ended_at - self.started_at)

    @property
    def call(self) -> tuple[str | None, str]:
        """The tool and its arguments in a form that can be compared."""
        return self.tool, repr(_ordered(self.arguments))

    def replace(self, **changes: object) -> "Step":
        """The same step with other values in these fields.

        `dataclasses.replace` takes four times as long on so many fields, and assembly makes
        one copy of each step.
        """
        made = object.__new__(Step)
        deque(map(call, _PUT, repeat(made), _values(self)), maxlen=0)
        if not changes.keys() <= Step.__dataclass_fields__.keys():
            raise TypeError(f"a step has no field {set(changes) - set(Step.__slots__)}")
        for name, value in changes.items():
            object.__setattr__(made, name, value)
        return made


# Through the slots themselves a copy takes half the time.
_PUT = tuple(Step.__dict__[name].__set__ for name in Step.__slots__)
_values = attrgetter(*Step.__slots__)


def _ordered(value: Json) -> object:
    if isinstance(value, dict):
        return sorted((k, _ordered(v)) for k, v in value.items())
    if isinstance(value, list):
        return [_ordered(v) for v in value]
    return value


@dataclass(frozen=True, slots=True)
class Trajectory:
    """One run of an agent, from input to final answer, put together from its spans.

    `steps` are numbered without gaps in order of start; `scopes` are agent runs, workflows and
    graph nodes; `others` hang below a step (HTTP, SQL). `incomplete` names what is missing.
    """

    id: str
    traces: tuple[str, ...]
    steps: tuple[Step, ...] = ()
    scopes: tuple[Step, ...] = ()
    others: tuple[Step, ...] = ()
    name: str = ""
    agent: str | None = None
    agent_version: str | None = None
    session: str | None = None
    user: str | None = None
    environment: str | None = None
    service: str | None = None
    cohort: Mapping[str, str] = field(default_factory=dict)
    status: Status = Status.OK
    ended: bool = True
    started_at: int = 0
    ended_at: int = 0
    final_step: int | None = None
    input: tuple[Message, ...] = ()
    output: tuple[Message, ...] = ()
    tokens: Tokens = Tokens()
    tokens_partial: bool = False
    cost_usd: float | None = None
    cost_partial: bool = False
    conventions: tuple[str, ...] = ()
    incomplete: frozenset[str] = frozenset()
    feedback: "tuple[Feedback, ...]" = ()

    @property
    def is_listed(self) -> bool:
        """A trace with a step or an agent run; others are kept and not listed."""
        return bool(self.steps) or any(s.kind is Kind.AGENT for s in self.scopes)

    def step(self, number: int) -> Step | None:
        """The step of that number, or None."""
        return self.steps[number - 1] if 0 < number <= len(self.steps) else None

    @property
    def error(self) -> Fault | None:
        """What a run ended in: said by its outermost span that knows, else by its last step."""
        if self.status is not Status.ERROR:
            return None
        last = self.traces[-1]  # which tells the status, too
        scopes = sorted(self.scopes, key=lambda s: s.trace_id != last)
        spans = (*scopes, *reversed(self.steps))
        return next((s.error for s in spans if s.error is not None), None)

    @property
    def crash(self) -> Fault | None:
        """The error that ended the run between its steps, which none of them shows."""
        return None if any(s.status is Status.ERROR for s in self.steps) else self.error

    @property
    def tool_steps(self) -> tuple[Step, ...]:
        return tuple(s for s in self.steps if s.kind is Kind.TOOL)

    @property
    def model_steps(self) -> tuple[Step, ...]:
        return tuple(s for s in self.steps if s.kind is Kind.LLM)

    @property
    def final(self) -> Step | None:
        return self.step(self.final_step) if self.final_step else None

    def adjacent_tool_calls(self) -> Iterator[tuple[Step, Step]]:
        """Each tool step with the tool step before it."""
        tools = self.tool_steps
        yield from pairwise(tools)


class Outcome(StrEnum):
    """What a judge came to."""

    PASSED = "passed"
    FAILED = "failed"
    ABSTAINED = "abstained"


@dataclass(frozen=True, slots=True)
class Evidence:
    """Where a verdict rests: a field of a step, a message in it, and the text quoted."""

    step: str | None = None
    where: str = ""
    quote: str = ""
    start: int | None = None
    end: int | None = None
    note: str = ""


@dataclass(frozen=True, slots=True)
class Score:
    """One evaluator's verdict on one step, or on a whole trajectory when `step` is None.

    `value` is 0..1 and higher is better. An abstention has no value and enters no fail rate.
    """

    outcome: Outcome
    value: float | None = None
    label: str | None = None
    explanation: str = ""
    evidence: tuple[Evidence, ...] = ()
    step: str | None = None
    evaluator: str = ""
    version: str = ""
    source: str = "code"
    by: str | None = None
    cost_usd: float | None = None

    @property
    def is_failed(self) -> bool:
        return self.outcome is Outcome.FAILED

    @classmethod
    def passed(cls, explanation: str = "", *, value: float = 1.0, **more: object) -> "Score":
        return cls(Outcome.PASSED, value, explanation=explanation, **more)  # type: ignore[arg-type]  # checked by the dataclass

    @classmethod
    def failed(cls, explanation: str, *, value: float = 0.0, **more: object) -> "Score":
        return cls(Outcome.FAILED, value, explanation=explanation, **more)  # type: ignore[arg-type]  # checked by the dataclass

    @classmethod
    def abstained(cls, reason: str, **more: object) -> "Score":
        """No verdict, because of `reason`."""
        return cls(Outcome.ABSTAINED, None, explanation=reason, **more)  # type: ignore[arg-type]  # checked by the dataclass


@dataclass(frozen=True, slots=True)
class Feedback:
    """A verdict that arrived from outside: an evaluator event, a thumb, a reviewer's word.

    `target` is step, trajectory or session; `value` keeps the sender's own scale.
    """

    name: str
    target: str
    trace_id: str | None = None
    span_id: str | None = None
    session: str | None = None
    step_number: int | None = None
    response_id: str | None = None
    version: str = ""
    value: float | None = None
    label: str | None = None
    passed: bool | None = None
    explanation: str = ""
    source: str = "code"
    by: str | None = None
    at: int = 0
    error: str | None = None


@dataclass(frozen=True, slots=True)
class Content:
    """Messages of a model or tool call that came as an event or log record, not on its span."""

    trace_id: str
    span_id: str
    at: int
    direction: str
    message: Message


@dataclass(frozen=True, slots=True)
class Reading:
    """What one convention made of one span: the step, and what else the span carried."""

    step: Step
    contents: tuple[Content, ...] = ()
    feedback: tuple[Feedback, ...] = ()


@dataclass(frozen=True, slots=True)
class Cohort:
    """The values of the declared cohort keys."""

    values: Mapping[str, str]

    def __str__(self) -> str:
        return " · ".join(self.values[k] for k in sorted(self.values)) or "all"
