"""Model steps: what was asked, what was answered, which attempt it was."""

from collections.abc import Mapping, Sequence
from operator import eq
from typing import Any

from tracer import extract
from tracer.history import Delta, Entry
from tracer.payload import Draft, Piece
from tracer.recorder import Recorder
from tracer.run import Call, Failed, Node, Scope, Withheld, who_here
from tracer.tools import Tools
from waypost import names
from waypost.redact import merge_counts

NO_MESSAGES: Sequence[Any] = ()


class Models:
    """Records one model call after the other, of any scope."""

    def __init__(self, recorder: Recorder, tools: Tools) -> None:
        self._recorder = recorder
        self._tools = tools
        self._content = recorder.content

    # --- start ---

    def start(
        self, parent: Node, messages: Sequence[Any], *, metadata: Mapping[str, Any],
        parameters: Mapping[str, Any], options: Mapping[str, Any], name: str,
    ) -> Node:  # fmt: skip
        """A chat model begins; calls that were answered without a run become steps first."""
        scope = parent.scope
        system, rest = extract.split_system(messages)
        with scope.trajectory.lock:
            self._tools.sweep(parent, scope.window.unseen(rest))
            failed = _take_failed(scope, messages)
            node, model = self._begin(
                parent, metadata, parameters, options=options, name=name, failed=failed
            )
            draft = node.draft
            node.message = messages
            if self._content.enabled:
                self._input(node, system, rest, parameters)
            self._prompt(draft, parent, system)
            node.state = (model, bool(options.get("ls_structured_output_format")), failed)
        return self._recorder.open_step(node)

    def start_text(
        self, parent: Node, prompts: Sequence[str], metadata: Mapping[str, Any],
        parameters: Mapping[str, Any], name: str,
    ) -> Node:  # fmt: skip
        """A text model begins: its prompt is one user message."""
        with parent.scope.trajectory.lock:
            node, model = self._begin(
                parent, metadata, parameters, options={}, name=name, failed=None
            )
            shape = [{"role": "user", "parts": [{"type": "text", "content": p}]} for p in prompts]
            piece = self._content.json(shape)
            node.draft.put(names.INPUT, piece)
            node.draft.attributes[names.OPERATION] = "text_completion"
            self._first_input(parent.scope, piece.text if piece else None)
            node.state = (model, False, None)
        return self._recorder.open_step(node)

    def _begin(
        self, parent: Node, metadata: Mapping[str, Any], parameters: Mapping[str, Any], *,
        options: Mapping[str, Any], name: str, failed: Failed | None,
    ) -> tuple[Node, str | None]:  # fmt: skip
        scope = parent.scope
        model = _text(
            metadata.get("ls_model_name") or parameters.get("model") or parameters.get("model_name")
        )
        node = self._recorder.start_step(parent, "llm", model or name, "chat")
        attributes = node.draft.attributes
        if failed is None:
            scope.turn += 1
        attributes[names.TURN] = scope.turn
        self._route(attributes, scope, model, failed)
        if provider := extract.provider_of(metadata):
            attributes[names.PROVIDER] = provider
        if model:
            attributes[names.REQUEST_MODEL] = model
        attributes.update(extract.parameters_of(parameters, metadata))
        if kind := extract.output_type(parameters, options):
            attributes[names.OUTPUT_TYPE] = kind
        if parameters.get("stream") or parameters.get("streaming"):
            attributes[names.REQUEST_STREAM] = True
        return node, model

    def _route(
        self, attributes: dict[str, Any], scope: Scope, model: str | None, failed: Failed | None
    ) -> None:
        route = who_here(scope.trajectory).route
        if failed is not None:
            attributes[names.ATTEMPT] = failed.attempt + 1
            if tried := list(dict.fromkeys(m for m in failed.models if m != model)):
                attributes[names.FALLBACKS] = tried
                route = route or "fallback"
        if route:
            attributes[names.ROUTE] = route

    def _input(
        self, node: Node, system: list[Any], rest: Sequence[Any], parameters: Mapping[str, Any]
    ) -> None:
        draft, scope = node.draft, node.scope
        delta = scope.window.add(node.number or 0, rest)
        draft.put(names.INPUT, joined(delta.new))
        if delta.base is not None:
            draft.attributes[names.BASE_STEP] = delta.base
            draft.attributes[names.KEEP] = delta.keep
        self._system(draft, scope, system, delta)
        self._definitions(
            draft, scope, parameters.get("tools") or parameters.get("functions"), delta
        )
        if scope.trajectory.input_text is None:
            users = [e for e in delta.entries if e.message.type in ("human", "HumanMessageChunk")]
            self._first_input(scope, joined(users[-1:]).text if users else None)

    def _first_input(self, scope: Scope, text: str | None) -> None:
        if scope.trajectory.input_text is None and self._content.enabled:
            scope.trajectory.input_text = text

    def _system(self, draft: Draft, scope: Scope, system: list[Any], delta: Delta) -> None:
        text = "\n".join(str(m.content) for m in system)
        changed = text != (scope.system or "")
        if changed or (delta.base is None and system):
            scope.system = text
            draft.put(names.SYSTEM, self._content.json(extract.system_parts(system)))

    def _definitions(self, draft: Draft, scope: Scope, tools: Any, delta: Delta) -> None:
        changed = tools != scope.tools
        if changed or (delta.base is None and tools):
            scope.tools = tools
            draft.put(
                names.TOOL_DEFINITIONS,
                self._content.json([extract.tool_definition(t) for t in tools or ()]),
            )

    def _prompt(self, draft: Draft, parent: Node, system: list[Any]) -> None:
        who, scope = who_here(parent.scope.trajectory), parent.scope
        name, version = who.prompt_name, who.prompt_version
        if not (name or version) and (prompt := parent.prompt or scope.prompt):
            name, version = prompt
        if name:
            draft.attributes[names.PROMPT_NAME] = name
        if version is None and system:
            text = "\n".join(str(m.content) for m in system)
            if text != scope.system_text:
                scope.system_text, scope.version = text, extract.prompt_version(text)
            version = scope.version
        if version:
            draft.attributes[names.PROMPT_VERSION] = version

    # --- end ---

    def token(self, node: Node) -> None:
        """The first piece of a streamed answer has come."""
        if not node.first_token:
            node.first_token = self._recorder.clock()

    def end(self, node: Node, response: Any) -> None:
        """The model has answered."""
        generation = _first(response)
        message = getattr(generation, "message", None)
        attributes = node.draft.attributes
        self._stream(node)
        attributes.update(extract.usage_of(message, getattr(response, "llm_output", None)))
        info = getattr(generation, "generation_info", None) or {}
        attributes.update(extract.answer_of(message, info))
        scope = node.scope
        with scope.trajectory.lock:
            if message is None:
                self._text_answer(node, str(getattr(generation, "text", "")))
                return
            self._register(node, scope, message)
        if scope.guarded and self._content.enabled:
            self._withhold(node, message)
            return
        self._answer(node, message)
        self._recorder.finish_step(node)

    def _text_answer(self, node: Node, text: str) -> None:
        shape = [{"role": "assistant", "parts": [{"type": "text", "content": text}]}]
        piece = self._content.json(shape)
        node.draft.put(names.OUTPUT, piece)
        self._final(node, piece)
        self._recorder.finish_step(node)

    def _answer(self, node: Node, message: Any) -> None:
        """Write the answer; it is the next input's message, so it is made only once."""
        if not self._content.enabled:
            self._final(node, None)
            return
        with node.scope.trajectory.lock:
            piece = joined([node.scope.trajectory.history.entry(message)])
        node.draft.put(names.OUTPUT, piece)
        self._final(node, piece, calls=bool(getattr(message, "tool_calls", None)))

    def _final(self, node: Node, piece: Piece | None, *, calls: bool = False) -> None:
        if not calls and node.number is not None:
            node.scope.answer(node.number, piece.text if piece else None)

    def _stream(self, node: Node) -> None:
        if node.first_token:
            node.draft.attributes[names.REQUEST_STREAM] = True
            node.draft.attributes[names.FIRST_CHUNK] = (node.first_token - node.started) / 1e9

    def _register(self, node: Node, scope: Scope, message: Any) -> None:
        """Remember which calls the answer asks for."""
        structured = node.state is not None and node.state[1]
        turn = node.draft.attributes[names.TURN]
        for part in () if structured else extract.call_parts(message):
            call = Call(str(part["id"]), str(part["name"]), part["arguments"], turn)
            scope.calls[call.id] = call

    def _withhold(self, node: Node, message: Any) -> None:
        """Keep the answer back until the PII middleware has seen it."""
        node.scope.trajectory.open.pop(id(node), None)
        node.scope.withheld.append(
            Withheld(node, self._recorder.clock(), getattr(message, "id", None), message)
        )

    def fail(self, node: Node, error: BaseException, response: Any) -> None:
        """The model call failed: the next call with the same input is another attempt."""
        model, _, before = node.state or (None, False, None)
        attempt = node.draft.attributes.get(names.ATTEMPT, 1)
        models = [*(before.models if before else ()), *([model] if model else ())]
        if node.message is not None:
            node.scope.failed.append(Failed(list(node.message), attempt, models))
            del node.scope.failed[:-8]
        self._stream(node)
        message = getattr(_first(response), "message", None)
        if message is not None and getattr(message, "content", None):
            node.draft.put(names.OUTPUT, self._content.json([extract.message_of(message)]))
        self._recorder.finish_step(node, error=self._recorder.error_of(error))


def joined(entries: Sequence[Entry]) -> Piece:
    """Messages that are JSON already, as one list."""
    counts: dict[str, int] = {}
    cut = 0
    for entry in entries:
        merge_counts(counts, entry.piece.counts)
        cut += entry.piece.cut_from
    text = f"[{','.join(entry.piece.text for entry in entries)}]"
    return Piece(text, counts, cut and max(cut, len(text)))


def _first(response: Any) -> Any:
    """The first generation of a result, if there is one."""
    for generations in getattr(response, "generations", None) or ():
        for generation in generations:
            return generation
    return None


def _take_failed(scope: Scope, messages: Sequence[Any]) -> Failed | None:
    """The failed call that this one tries again, if it does."""
    for at in range(len(scope.failed) - 1, -1, -1):
        failed = scope.failed[at]
        if len(failed.messages) == len(messages) and all(map(eq, failed.messages, messages)):
            return scope.failed.pop(at)
    return None


def _text(value: object) -> str | None:
    return value if isinstance(value, str) and value else None
