"""Opens and closes trajectories, scopes and steps: state becomes spans."""

import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Mapping
from hashlib import blake2b
from typing import Any, Final

from opentelemetry import context as otel
from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.trace import Span, SpanKind, Status, StatusCode, Tracer

from tracer import extract
from tracer.history import History, Window
from tracer.options import MAX_COHORT_KEYS, Options
from tracer.payload import Content, Draft, Piece
from tracer.run import NODE, REPLAY, WHO, Node, Pause, Scope, Trajectory, Who
from tracer.shield import attempt
from waypost import names, replays

CLIENT_KINDS: Final = frozenset({"llm", "retrieval", "memory"})
# Last in a run's cohort, whatever its process says of itself: a replay is never production.
REPLAYED: Final = {replays.ENVIRONMENT: replays.REPLAY}
_TRACES: Final = 4096


class Recorder:
    """All that one `instrument()` needs to record: options, a tracer, a clock, what is open."""

    def __init__(
        self,
        options: Options,
        tracer: Callable[[], Tracer],
        *,
        clock: Callable[[], int] = time.time_ns,
        mark: Callable[[Span, Mapping[str, Any]], None] | None = None,
    ) -> None:
        self.options = options
        self.clock = clock
        self.content = Content(
            options.redact,
            key=options.redact_key,
            limit=options.attribute_bytes,
            enabled=options.content != "none",
        )
        self._tracer = tracer
        self._mark = mark if options.start_markers else None
        self._semconv = options.span_names == "semconv"
        self._seen: OrderedDict[int, None] = OrderedDict()
        self._lock = threading.Lock()
        self.roots: dict[int, Node] = {}
        self.running_config: Callable[[], Mapping[str, Any] | None] = lambda: None

    # --- trajectories and scopes ---

    def begin(self, name: str, *, agent: str | None, who: Who, kind: str = "scope") -> Node | None:
        """A new trajectory with its root; None where the sampler or the caller wants no spans."""
        if otel.get_value("suppress_instrumentation"):
            return None
        outer = otel.get_current()
        span = self._start(self._scope_name(agent or name), outer, SpanKind.INTERNAL, None)
        if not span.is_recording():
            return None
        found = otel.get_value(WHO)
        if isinstance(found, Who):
            who = found.over(who)
        trajectory = Trajectory(self._new_id(span), self._history(), who)
        if (again := REPLAY.get()) is not None and not again.session.closed:
            trajectory.replay_of = again.session.began(f"{span.get_span_context().trace_id:032x}")
        scope = self._scope(trajectory, agent)
        root = Node(None, scope, kind, name)
        root.started = self.clock()
        scope.node = trajectory.root = root
        root.own(span, trace.set_span_in_context(span, outer))
        self.roots[id(root)] = root
        return root

    def begin_scope(self, parent: Node, name: str, agent: str | None) -> Node:
        """A sub-agent's run inside a trajectory."""
        trajectory = parent.scope.trajectory
        scope = self._scope(trajectory, agent or parent.scope.agent)
        node = Node(parent, scope, "scope", name)
        self.open_scope(node, scope)
        return node

    def open_scope(self, node: Node, scope: Scope) -> None:
        """Give the node of a scope its span."""
        above = self._context(node.parent) if node.parent else otel.get_current()
        title = self._scope_name(scope.agent or node.name)
        span = self._start(title, above, SpanKind.INTERNAL, None)
        node.started = self.clock()
        node.scope = scope
        scope.node = node
        node.own(span, trace.set_span_in_context(span, above))
        node.scope.trajectory.open[id(node)] = node

    def new_scope(self, parent: Node, agent: str | None) -> Scope:
        return self._scope(parent.scope.trajectory, agent or parent.scope.agent)

    def finish_scope(
        self, node: Node, *, status: str | None = None, error: tuple[str, str] | None = None,
        output: str | None = None, ended: int | None = None,
    ) -> None:  # fmt: skip
        """Close a sub-agent's span."""
        span = node.span
        if span is None or not span.is_recording():
            return
        node.scope.trajectory.open.pop(id(node), None)
        attributes = {**node.scope.base, names.OPERATION: "invoke_agent"}
        if output is not None:
            attributes[names.OUTPUT] = output
        self._end(node, attributes, status, error, ended)

    def finish_root(
        self, node: Node, *, status: str | None = None, error: tuple[str, str] | None = None,
        ended: int | None = None,
    ) -> None:  # fmt: skip
        """Close the trajectory: what is still open first, then the root with its sums."""
        trajectory = node.scope.trajectory
        with trajectory.lock:
            if trajectory.ended:
                return
            for left in sorted(trajectory.open.values(), key=lambda n: -n.started):
                self.abandon(left, ended)
            trajectory.ended = True
        if trajectory.final is None and trajectory.answered is not None:
            trajectory.final, text = trajectory.answered
            trajectory.output_text = trajectory.output_text or text
        attributes: dict[str, Any] = {**node.scope.base, names.OPERATION: "invoke_agent"}
        attributes[names.STEPS] = trajectory.number
        if trajectory.final is not None and status is None and error is None:
            attributes[names.FINAL_STEP] = trajectory.final
        if trajectory.input_text is not None:
            attributes[names.INPUT] = trajectory.input_text
        if trajectory.output_text is not None and status is None:
            attributes[names.OUTPUT] = trajectory.output_text
        self.roots.pop(id(node), None)
        self._end(node, attributes, status, error, ended)
        trajectory.history.forget()

    def abandon(self, node: Node, ended: int | None = None) -> None:
        """Close a step or scope whose own end never came."""
        node.scope.trajectory.open.pop(id(node), None)
        draft = node.draft
        attributes = draft.seal() if isinstance(draft, Draft) else dict(node.scope.base)
        self._end(node, attributes, "abandoned", None, ended)

    def resume(self, root: Node, pause: Pause) -> None:
        """Let a root go on where a paused trajectory waits."""
        trajectory = root.scope.trajectory
        trajectory.id = pause.trajectory
        trajectory.number = max(trajectory.number, pause.steps)
        trajectory.resumed = pause
        for scope in trajectory.scopes:
            self._restore(scope, pause)
        if root.span is not None:
            first = trace.SpanContext(int(pause.trace, 16), int(pause.span, 16), is_remote=True)
            root.span.add_link(first)

    def name_agent(self, scope: Scope) -> None:
        """Write again what every span of the scope says, after some of it became known."""
        scope.base = self._base(scope)

    # --- steps ---

    def start_step(
        self, parent: Node, kind: str, name: str, operation: str, *, node: Node | None = None
    ) -> Node:
        """A step's node with its number; `open_step` gives it its span."""
        node = node or Node(parent, None, kind, name)
        node.kind = kind
        node.name = name
        node.number = node.scope.trajectory.next()
        node.started = self.clock()
        above = node.step
        attributes = {
            **node.scope.base,
            names.STEP: node.number,
            names.KIND: kind,
            names.OPERATION: operation,
        }
        if above is not None and above.number is not None:
            attributes[names.PARENT_STEP] = above.number
        node.draft = Draft(attributes)
        return node

    def open_step(self, node: Node) -> Node:
        """Start the span with what is known of the step by now."""
        above = self._context(node.parent or node)
        kind = SpanKind.CLIENT if node.kind in CLIENT_KINDS else SpanKind.INTERNAL
        span = self._start(self._step_name(node), above, kind, node.started)
        node.own(span, trace.set_span_in_context(span, above))
        node.scope.trajectory.open[id(node)] = node
        if self._mark is not None:
            self._mark(span, {**node.draft.seal(), names.STATUS: "running"})
        return node

    def finish_step(
        self, node: Node, *, status: str | None = None, error: tuple[str, str] | None = None,
        ended: int | None = None,
    ) -> None:  # fmt: skip
        """Write everything the step gathered and close its span."""
        node.scope.trajectory.open.pop(id(node), None)
        self._end(node, node.draft.seal(), status, error, ended)

    def whole_step(
        self, parent: Node, kind: str, name: str, operation: str, *,
        attributes: Mapping[str, object] | None = None,
        pieces: Mapping[str, Piece | None] | None = None,
        status: str | None = None, error: tuple[str, str] | None = None,
    ) -> Node:  # fmt: skip
        """A step that is over as soon as it is known."""
        node = self.start_step(parent, kind, name, operation)
        node.draft.attributes.update(attributes or {})
        for attribute, piece in (pieces or {}).items():
            node.draft.put(attribute, piece)
        self.open_step(node)
        self.finish_step(node, status=status, error=error)
        return node

    def error_of(self, error: BaseException) -> tuple[str, str]:
        """An error's class and its message, clean and short."""
        return type(error).__name__, self.content.message(attempt(str, error, otherwise=""))

    def forget_open(self) -> None:
        """In a forked child: what is open belongs to the parent."""
        self._lock = threading.Lock()
        self.roots.clear()

    # --- inside ---

    def _write(self, history: History, message: Any) -> Piece:
        """A message as JSON; a tool's result was cleaned when the tool returned it."""
        shape = extract.message_of(message)
        known = history.clean(message.content) if message.type == "tool" else None
        piece = self.content.answer(shape, known) if known else self.content.json(shape)
        return piece or Piece("", {})

    def _history(self) -> History:
        history = History(lambda message: self._write(history, message))
        return history

    def _scope(self, trajectory: Trajectory, agent: str | None) -> Scope:
        every = 1 if self.options.content == "full" else self.options.keyframe_every
        scope = Scope(
            trajectory, agent, Window(trajectory.history, every, self.options.attribute_bytes)
        )
        scope.base = self._base(scope)
        trajectory.scopes.append(scope)
        if trajectory.resumed is not None:
            self._restore(scope, trajectory.resumed)
        return scope

    def _restore(self, scope: Scope, pause: Pause) -> None:
        key = scope.agent or ""
        scope.base = self._base(scope)
        scope.turn = max(scope.turn, pause.turns.get(key, 0))
        for call in pause.calls.get(key, ()):
            scope.calls.setdefault(call.id, call)

    def _base(self, scope: Scope) -> dict[str, Any]:
        """What is on every span of a scope."""
        trajectory = scope.trajectory
        who = trajectory.who
        base: dict[str, Any] = {
            names.SCHEMA: names.SCHEMA_VERSION,
            names.TRAJECTORY_ID: trajectory.id,
        }
        if who.session:
            base[names.SESSION] = base[names.CONVERSATION] = who.session
        if who.user:
            base[names.USER] = who.user
        if scope.agent:
            base[names.AGENT_NAME] = scope.agent
        if who.agent_version:
            base[names.AGENT_VERSION] = who.agent_version
        cohort = {**self.options.cohort, **dict(who.cohort)}
        if trajectory.replay_of:
            base[names.REPLAY_OF] = trajectory.replay_of
            cohort = {**REPLAYED, **cohort, **REPLAYED}  # first, so that it is never cut off
        for key, value in list(cohort.items())[:MAX_COHORT_KEYS]:
            base[f"{names.COHORT}{key[:64]}"] = value[:256]
        return base

    def _new_id(self, span: Span) -> str:
        """The trace id, or where that trace already holds a trajectory one made of the span."""
        context = span.get_span_context()
        with self._lock:
            taken = context.trace_id in self._seen
            self._seen[context.trace_id] = None
            if len(self._seen) > _TRACES:
                self._seen.popitem(last=False)
        if not taken:
            return f"{context.trace_id:032x}"
        own = f"{context.trace_id:032x}{context.span_id:016x}"
        return blake2b(bytes.fromhex(own), digest_size=16).hexdigest()

    def _context(self, node: Node) -> Context:
        """The caller's context where it already hangs below the node, else the node's own."""
        here = otel.get_current()
        return here if here.get(NODE) is node.anchor else node.context

    def _start(self, name: str, context: Context, kind: SpanKind, started: int | None) -> Span:
        return self._tracer().start_span(
            name, context, kind, start_time=started if started is not None else self.clock()
        )

    def _end(
        self, node: Node, attributes: Mapping[str, Any], status: str | None,
        error: tuple[str, str] | None, ended: int | None,
    ) -> None:  # fmt: skip
        span = node.span
        if span is None:
            return
        span.set_attributes(attributes)
        if status is not None:
            span.set_attribute(names.STATUS, status)
        if error is not None:
            span.set_attribute(names.ERROR_TYPE, error[0])
            span.set_status(Status(StatusCode.ERROR, error[1] or error[0]))
        span.end(ended if ended is not None else self.clock())

    def _scope_name(self, agent: str) -> str:
        return f"invoke_agent {agent}" if self._semconv else names.SPAN_TRAJECTORY

    def _step_name(self, node: Node) -> str:
        if not self._semconv:
            return names.SPAN_STEP
        operation = node.draft.attributes[names.OPERATION]
        return f"{operation} {node.name}".strip()
