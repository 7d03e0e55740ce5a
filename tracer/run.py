"""What is known of a run while it goes on: trajectory, scopes, nodes, and calls."""

import os
import threading
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any, Final

from opentelemetry import context as otel
from opentelemetry.context import Context
from opentelemetry.trace import Span

from tracer.history import History, Window

NODE: Final = otel.create_key("waypost-node")
WHO: Final = otel.create_key("waypost-who")
# Set while a recorded run is executed again: what listens to LangChain and knows the session.
REPLAY: Final[ContextVar[Any]] = ContextVar("waypost-replay", default=None)


@dataclass(slots=True)
class Call:
    """A tool call a model asked for; `runs` counts how often somebody began to execute it."""

    id: str
    name: str
    arguments: Any
    turn: int
    runs: int = 0
    answered: bool = False


@dataclass(frozen=True, slots=True)
class Who:
    """Session, user, route, prompt and cohort, as `tracer.context` or metadata say them."""

    session: str | None = None
    user: str | None = None
    route: str | None = None
    prompt_name: str | None = None
    prompt_version: str | None = None
    reviewer: str | None = None
    agent_version: str | None = None
    cohort: tuple[tuple[str, str], ...] = ()

    def over(self, other: "Who") -> "Who":
        """These values where there are any, the other's elsewhere."""
        return Who(
            self.session or other.session,
            self.user or other.user,
            self.route or other.route,
            self.prompt_name or other.prompt_name,
            self.prompt_version or other.prompt_version,
            self.reviewer or other.reviewer,
            self.agent_version or other.agent_version,
            tuple({**dict(other.cohort), **dict(self.cohort)}.items()),
        )


class Node:
    """One run of a runnable, a step, or a scope: a place in the tree.

    A node without a span of its own stands for its nearest ancestor that has one.
    """

    __slots__ = (
        "anchor", "context", "draft", "first_token", "kind", "message", "name", "number", "parent",
        "prompt", "scope", "span", "started", "state", "step",
    )  # fmt: skip

    def __init__(
        self, parent: "Node | None", scope: "Scope | None", kind: str, name: str = ""
    ) -> None:
        above = parent or self
        self.parent = parent
        self.kind = kind
        self.name = name
        self.span: Span | None = None
        self.number: int | None = None
        self.started = 0
        self.first_token = 0
        self.draft: Any = None
        self.message: Any = None
        self.state: Any = None
        self.prompt: tuple[str, str | None] | None = None
        self.scope: Scope = scope or above.scope
        self.anchor: Node = above.anchor if parent else self
        self.context: Context = above.context if parent else otel.get_current()
        self.step: Node | None = above.step if parent else None

    def own(self, span: Span, context: Context) -> None:
        """From now on this node has a span, and what runs below it hangs there."""
        self.span = span
        self.anchor = self
        self.context = otel.set_value(NODE, self, context)
        if self.number is not None:
            self.step = self


class Scope:
    """One invocation of one agent: the root, or a sub-agent."""

    __slots__ = (
        "agent", "base", "calls", "failed", "guarded", "node", "prompt", "system", "system_text",
        "tools", "tools_text", "trajectory", "turn", "version", "window", "withheld",
    )  # fmt: skip

    def __init__(self, trajectory: "Trajectory", agent: str | None, window: Window) -> None:
        self.trajectory = trajectory
        self.agent = agent
        self.window = window
        self.base: dict[str, Any] = {}
        self.calls: dict[str, Call] = {}
        self.turn = 0
        self.failed: list[Failed] = []
        self.system: str | None = None
        self.system_text: str | None = None
        self.version: str | None = None
        self.tools: Any = None
        self.tools_text: str | None = None
        self.prompt: tuple[str, str | None] | None = None
        self.guarded = False
        self.withheld: list[Withheld] = []
        self.node: Node | None = None

    def answer(self, number: int, text: str | None) -> None:
        """A model of this scope has answered without asking for a tool.

        The root's last such answer is the run's; a sub-agent's only where the root has none.
        """
        trajectory = self.trajectory
        trajectory.answered = (number, text)
        if self is trajectory.scopes[0]:
            trajectory.final, trajectory.output_text = number, text


@dataclass(slots=True)
class Failed:
    """A model call that failed: the next one with the same input is another attempt."""

    messages: list[Any]
    attempt: int
    models: list[str]


@dataclass(slots=True)
class Withheld:
    """A finished step whose content waits for what a PII middleware makes of it."""

    node: Node
    ended: int
    key: str | None
    content: Any
    error: "tuple[str, str] | None" = None


@dataclass(slots=True)
class Trajectory:
    """One run of an agent from input to final answer; a resumed run is the same trajectory."""

    id: str
    history: History
    who: Who
    number: int = 0
    final: int | None = None
    answered: tuple[int, str | None] | None = None
    interrupted: bool = False
    ended: bool = False
    checkpoint: str | None = None
    resume: Any = None
    resumed: "Pause | None" = None
    pending: list[str] = field(default_factory=list)
    completed: bool = False
    replay_of: str | None = None
    root: "Node | None" = None
    input_text: str | None = None
    output_text: str | None = None
    open: dict[int, Node] = field(default_factory=dict)
    scopes: list[Scope] = field(default_factory=list)
    lock: threading.RLock = field(default_factory=threading.RLock)
    pid: int = field(default_factory=os.getpid)

    @property
    def alive(self) -> bool:
        """Whether it still runs, in this process and not in the one it was forked from."""
        return not self.ended and self.pid == os.getpid()

    def next(self) -> int:
        """The number of the step that starts now."""
        with self.lock:
            self.number += 1
            return self.number


@dataclass(frozen=True, slots=True)
class Pause:
    """What a run that waits for a person leaves for the run that goes on."""

    trajectory: str
    trace: str
    span: str
    steps: int
    turns: dict[str, int]
    calls: dict[str, list[Call]]
    pending: list[str] = field(default_factory=list)


def current() -> Node | None:
    """The node whose span is current here, if its trajectory still runs."""
    node = otel.get_value(NODE)
    if isinstance(node, Node) and node.scope.trajectory.alive:
        return node
    return None


def who_here(trajectory: Trajectory) -> Who:
    """What is said of a run at this place: the innermost `tracer.context` over the whole run's."""
    inner = otel.get_value(WHO)
    return inner.over(trajectory.who) if isinstance(inner, Who) else trajectory.who
