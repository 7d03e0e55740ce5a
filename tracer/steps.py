"""Steps of agents without LangChain, and what code says about the run it is in."""

from collections.abc import Awaitable, Callable, Iterable, Mapping
from contextlib import ContextDecorator
from functools import wraps
from inspect import iscoroutinefunction, signature
from types import TracebackType
from typing import Any, Final, TypeVar, overload

from opentelemetry import context as otel
from opentelemetry.trace import format_span_id

from tracer import extract
from tracer.payload import Piece
from tracer.recorder import Recorder
from tracer.run import WHO, Node, Who, current
from tracer.setup import PROCESS, recorder
from tracer.shield import shielded
from waypost import names
from waypost.errors import BadSetting

F = TypeVar("F", bound=Callable[..., Any])

_OPERATIONS: Final = {
    "plan": "plan", "llm": "chat", "tool": "execute_tool", "retrieval": "retrieval",
    "memory": "search_memory", "guardrail": "apply_guardrail", "handoff": "handoff",
    "human": "human_review",
}  # fmt: skip


_TITLES: Final = {
    "tool": names.TOOL_NAME, "retrieval": names.DATA_SOURCE, "memory": names.MEMORY_STORE,
}  # fmt: skip


class context(ContextDecorator):  # noqa: N801 - it reads as a verb in `with tracer.context(...)`
    """Says who a run is for; holds in every thread and task that begins inside."""

    def __init__(
        self, *, session: str | None = None, user: str | None = None, route: str | None = None,
        prompt: tuple[str, str] | str | None = None, cohort: Mapping[str, str] | None = None,
        reviewer: str | None = None, agent_version: str | None = None,
    ) -> None:  # fmt: skip
        name, version = (prompt, None) if isinstance(prompt, str) else (prompt or (None, None))
        pairs = tuple((str(k), str(v)) for k, v in (cohort or {}).items())
        self._who = Who(session, user, route, name, version, reviewer, agent_version, pairs)
        self._tokens: list[Any] = []

    def __enter__(self) -> "context":
        outer = otel.get_value(WHO)
        who = self._who.over(outer) if isinstance(outer, Who) else self._who
        self._tokens.append(otel.attach(otel.set_value(WHO, who)))
        return self

    def __exit__(self, *_: object) -> None:
        otel.detach(self._tokens.pop())


class Block:
    """One step around a block or a function; outside of a run it is a run of its own.

    As a decorator it records the call's arguments and its result.
    """

    def __init__(self, kind: str = "plan", name: str | None = None, **fields: Any) -> None:
        if kind not in _OPERATIONS:
            raise BadSetting(f"A step of kind {kind!r} is not one of {', '.join(_OPERATIONS)}.")
        self._kind = kind
        self._name = name
        self._fields = fields
        self._node: Node | None = None
        self._own_root: Node | None = None
        self._token: Any = None

    def __call__(self, function: F) -> F:
        """The function as a step."""
        kind, name, fields = self._kind, self._name or function.__name__, self._fields

        if iscoroutinefunction(function):

            @wraps(function)
            async def recorded_async(*args: Any, **kwargs: Any) -> Any:
                with Block(kind, name, **_given(kind, function, args, kwargs), **fields) as here:
                    result = await function(*args, **kwargs)
                    here.set(result=result)
                    return result

            return recorded_async  # type: ignore[return-value]  # the same signature

        @wraps(function)
        def recorded(*args: Any, **kwargs: Any) -> Any:
            with Block(kind, name, **_given(kind, function, args, kwargs), **fields) as here:
                result = function(*args, **kwargs)
                here.set(result=result)
                return result

        return recorded  # type: ignore[return-value]  # the same signature

    def __enter__(self) -> "Block":
        self._begin()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None,
        stack: TracebackType | None,
    ) -> None:  # fmt: skip
        self._finish(error)
        if self._token is not None:
            otel.detach(self._token)

    @shielded
    def set(self, **fields: Any) -> None:
        """Say more of the step while it is open: result, output, documents, tokens, …"""
        found = recorder()
        if self._node is not None and found is not None:
            _write(found, self._node, fields)

    @shielded
    def _begin(self) -> None:
        found = recorder()
        if found is None:
            return
        parent = current()
        title = self._name or self._kind
        if parent is None:
            parent = self._own_root = found.begin(title, agent=None, who=Who())
            if parent is None:
                return
        node = found.start_step(parent, self._kind, title, _OPERATIONS[self._kind])
        if self._kind == "llm":
            node.scope.turn += 1
            node.draft.attributes[names.TURN] = node.scope.turn
        elif self._kind in _TITLES:
            node.draft.attributes[_TITLES[self._kind]] = title
        _write(found, node, self._fields)
        self._node = found.open_step(node)
        self._token = otel.attach(node.context)

    @shielded
    def _finish(self, error: BaseException | None) -> None:
        found = recorder()
        node, self._node = self._node, None
        if node is None or found is None:
            return
        fault = found.error_of(error) if isinstance(error, Exception | KeyboardInterrupt) else None
        status = "abandoned" if error is not None and fault is None else node.state
        found.finish_step(node, status=status, error=fault)
        if node.kind == "llm" and fault is None:
            node.scope.trajectory.final = node.number
        if self._own_root is not None:
            found.finish_root(self._own_root, error=fault)


@overload
def step(kind: F) -> F: ...


@overload
def step(kind: str = ..., name: str | None = ..., **fields: Any) -> Block: ...


def step(kind: Any = "plan", name: str | None = None, **fields: Any) -> Any:
    """A step: `with tracer.step("plan", …)`, `@tracer.step("tool")`, or `@tracer.step` alone.

    Alone it records the function as a tool of its name. BadSetting for an unknown kind.
    """
    if callable(kind):
        return Block("tool", kind.__name__)(kind)
    return Block(kind, name, **fields)


class trajectory:  # noqa: N801 - it reads as a noun in `with tracer.trajectory(...)`
    """One run of an agent that is not LangChain's: the steps inside are its steps."""

    def __init__(
        self, agent: str, *, input: object = None, session: str | None = None,  # noqa: A002 - the word for it
        user: str | None = None, cohort: Mapping[str, str] | None = None,
    ) -> None:  # fmt: skip
        self._agent = agent
        self._input = input
        self._who = Who(session=session, user=user, cohort=tuple((cohort or {}).items()))
        self._root: Node | None = None
        self._token: Any = None
        self._output: object = None

    @property
    def id(self) -> str | None:
        """The trajectory's id, to send feedback on it later."""
        return self._root.scope.trajectory.id if self._root else None

    def __enter__(self) -> "trajectory":
        self._begin()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None,
        stack: TracebackType | None,
    ) -> None:  # fmt: skip
        self._finish(error)
        if self._token is not None:
            otel.detach(self._token)

    def answer(self, output: object) -> None:
        """What the run gave back."""
        self._output = output

    @shielded
    def _begin(self) -> None:
        found = recorder()
        if found is None:
            return
        parent = current()
        if parent is None:
            self._root = found.begin(self._agent, agent=self._agent, who=self._who)
        else:
            self._root = found.begin_scope(parent, self._agent, self._agent)
        if self._root is not None:
            self._token = otel.attach(self._root.context)

    @shielded
    def _finish(self, error: BaseException | None) -> None:
        found = recorder()
        root = self._root
        if root is None or found is None:
            return
        fault = found.error_of(error) if isinstance(error, Exception | KeyboardInterrupt) else None
        status = "abandoned" if error is not None and fault is None else None
        run = root.scope.trajectory
        if root.parent is not None:
            output = _messages(found, "assistant", self._output)
            found.finish_scope(
                root, status=status, error=fault, output=output.text if output else None
            )
            return
        if self._input is not None and (piece := _messages(found, "user", self._input)):
            run.input_text = piece.text
        if self._output is not None and (piece := _messages(found, "assistant", self._output)):
            run.output_text = piece.text
        found.finish_root(root, status=status, error=fault)


def retrieval(source: str, query: str, *, top_k: int | None = None) -> Block:
    """A look-up: `with tracer.retrieval("policy", question) as here: here.set(documents=…)`."""
    return Block("retrieval", source, query=query, top_k=top_k)


def memory(
    operation: str, store: str, *, query: str | None = None, key: str | None = None,
    records: Iterable[object] | None = None,
) -> Block:  # fmt: skip
    """Something read from or written to the agent's memory; operations are search, create, …"""
    word = operation if operation.endswith("_memory") else f"{operation}_memory"
    return Block("memory", store, operation=word, query=query, key=key, records=records)


def handoff(to: str, *, sender: str | None = None) -> Block:
    """One agent hands over to another."""
    return Block("handoff", to, to=to, sender=sender)


def guardrail(
    name: str, action: str = "allow", *, stage: str | None = None, reason: str | None = None,
    policy: str | None = None, target_step: int | None = None,
) -> Block:  # fmt: skip
    """A guardrail's decision: allow, block, rewrite, route or review; `set(action=…)` inside."""
    return Block(
        "guardrail", name, guard=name, action=action, stage=stage, reason=reason, policy=policy,
        target_step=target_step,
    )  # fmt: skip


@shielded
def evaluation(
    name: str, value: float | None = None, label: str | None = None, explanation: str | None = None,
    *, version: str | None = None, error: str | None = None,
) -> bool:  # fmt: skip
    """Add a verdict to the step in progress; False if there is none here."""
    node = current()
    found = recorder()
    if node is None or found is None or node.span is None:
        return False
    told = found.content.message(explanation) if explanation else None
    facts = {
        names.EVALUATION_NAME: name,
        names.EVALUATION_VALUE: None if value is None else float(value),
        names.EVALUATION_LABEL: label,
        names.EVALUATION_EXPLANATION: told,
        names.EVALUATION_VERSION: version,
        names.ERROR_TYPE: error,
        names.STEP: node.number or node.scope.trajectory.number or None,
    }
    node.span.add_event(
        names.EVENT_EVALUATION, {k: v for k, v in facts.items() if v is not None}, found.clock()
    )
    return True


def feedback(  # noqa: PLR0913 - a verdict has this many parts
    trajectory_id: str, name: str = "thumbs", *, value: float | bool | None = None,
    label: str | None = None, explanation: str | None = None, by: str | None = None,
    source: str = "human", step: int | None = None, version: str | None = None,
) -> bool:  # fmt: skip
    """Send what somebody says of a run afterwards; False if nothing is recorded here.

    A thumb, an escalation, a ticket, a reviewer's verdict: `name` says which, `step` the number of
    the step it is about. BadSetting if the id is none.
    """
    from tracer.sayings import record_of

    recording = PROCESS.recording
    if recording is None:
        return False
    told = recording.recorder.content.message(explanation) if explanation else None
    record = record_of(
        trajectory_id, name, value=value, label=label, explanation=told, by=by, source=source,
        step=step, version=version, clock=recording.recorder.clock,
    )  # fmt: skip
    return recording.logs.put(record, record.ByteSize())


def trajectory_id() -> str | None:
    """The id of the run this code is in."""
    node = current()
    return node.scope.trajectory.id if node else None


def step_span_id() -> str | None:
    """The span id of the step this code is in."""
    node = current()
    found = node.step if node else None
    return format_span_id(found.span.get_span_context().span_id) if found and found.span else None


def _given(
    kind: str, function: Callable[..., Any] | Callable[..., Awaitable[Any]], args: tuple[Any, ...],
    kwargs: Mapping[str, Any],
) -> dict[str, Any]:  # fmt: skip
    if kind not in ("tool", "plan"):
        return {}
    try:
        bound = signature(function).bind(*args, **kwargs)
    except (TypeError, ValueError):
        return {"arguments": {"args": args, **kwargs}}
    given = {k: v for k, v in bound.arguments.items() if k not in ("self", "cls")}
    return {"arguments": given}


def _messages(found: Recorder, role: str, value: object) -> Piece | None:
    """Messages as they are, LangChain's messages, or one text as one message."""
    if value is None:
        return None
    if isinstance(value, list) and all(isinstance(m, Mapping) and "parts" in m for m in value):
        return found.content.json(value)
    if isinstance(value, list) and value and all(hasattr(m, "content") for m in value):
        return found.content.json([extract.message_of(m) for m in value])
    return found.content.json([{"role": role, "parts": [{"type": "text", "content": value}]}])


_PLAIN: Final = {
    "provider": names.PROVIDER, "model": names.REQUEST_MODEL, "answered_by": names.RESPONSE_MODEL,
    "tokens_in": names.TOKENS_IN, "tokens_out": names.TOKENS_OUT, "cost_usd": names.COST,
    "call_id": names.TOOL_CALL_ID, "top_k": names.RETRIEVAL_TOP_K, "key": names.MEMORY_RECORD,
    "operation": names.OPERATION, "to": names.HANDOFF_TO, "sender": names.HANDOFF_FROM,
    "guard": names.GUARD_NAME, "action": names.GUARD_ACTION, "stage": names.GUARD_STAGE,
    "policy": names.GUARD_POLICY, "target_step": names.GUARD_TARGET_STEP,
    "decision": names.HUMAN_DECISION, "reviewer": names.HUMAN_REVIEWER, "route": names.ROUTE,
    "turn": names.TURN, "attempt": names.ATTEMPT,
}  # fmt: skip
_TEXTS: Final = {
    "reason": names.GUARD_REASON, "comment": names.HUMAN_COMMENT,
}  # fmt: skip


def _write(found: Recorder, node: Node, fields: Mapping[str, Any]) -> None:
    """Fields of a step by their plain names; an unknown one is a mistake worth saying."""
    draft = node.draft
    for name, value in fields.items():
        if value is None:
            continue
        if name in _PLAIN:
            draft.attributes[_PLAIN[name]] = value
            if name == "action" and value == "block":
                node.state = "blocked"
        elif name in _TEXTS:
            draft.put(_TEXTS[name], found.content.text(str(value)))
        elif not _write_content(found, node, name, value):
            raise BadSetting(f"A step has no field {name!r}.")


def _write_content(found: Recorder, node: Node, name: str, value: Any) -> bool:
    draft, content = node.draft, found.content
    match name:
        case "arguments":
            shape = value if isinstance(value, Mapping) else {"input": value}
            draft.put(names.TOOL_ARGUMENTS, content.json(shape))
        case "result":
            draft.put(names.TOOL_RESULT, content.result(value))
        case "query":
            target = names.MEMORY_QUERY if node.kind == "memory" else names.RETRIEVAL_QUERY
            draft.put(target, content.text(str(value)))
        case "documents":
            shapes = [d if isinstance(d, Mapping) else extract.documents_of([d])[0] for d in value]
            draft.put(names.RETRIEVAL_DOCUMENTS, content.json(shapes))
        case "records":
            records = list(value)
            draft.attributes[names.MEMORY_COUNT] = len(records)
            draft.put(names.MEMORY_RECORDS, content.json(records))
        case "input":
            draft.put(names.INPUT, _messages(found, "user", value))
        case "output":
            piece = _messages(found, "assistant", value)
            draft.put(names.OUTPUT, piece)
            if node.kind == "llm" and piece is not None:
                node.scope.trajectory.output_text = piece.text
        case "system":
            draft.put(names.SYSTEM, content.json([{"type": "text", "content": value}]))
        case _:
            return False
    return True
