"""LangChain's callbacks: which runs there are, who started them, and when they end.

Imported when LangChain itself is; but for this module and `tracer.replays`, nothing in the tracer
imports LangChain.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Final
from uuid import UUID

from langchain_core.callbacks.base import BaseCallbackHandler
from langchain_core.runnables.config import var_child_runnable_config
from opentelemetry import context as otel

from tracer import bare, extract, tools
from tracer.guards import Guards
from tracer.humans import Humans, is_control, is_pause
from tracer.models import Models
from tracer.recorder import Recorder
from tracer.run import Node, current
from tracer.shield import shielded
from tracer.who import complete, who_of
from waypost import names

PLAIN: Final = ("LangGraph", "Runnable", "ChatPromptTemplate", "PromptTemplate")
_MANY: Final = 512
_GONE: Final = ("GeneratorExit", "CancelledError")


class StepHandler(BaseCallbackHandler):
    """One handler for the whole process, sync and async, called from several threads at once."""

    run_inline = True

    def __init__(self, recorder: Recorder, humans: Humans) -> None:
        self.enabled = True
        self.runs: dict[UUID, Node] = {}
        self.skipped: set[UUID] = set()
        self.recorder = recorder
        self.humans = humans
        self.tools = tools.Tools(recorder)
        self.models = Models(recorder, self.tools)
        self.guards = Guards(recorder)
        self.loops = bare.Loops(recorder, self.tools)
        recorder.running_config = var_child_runnable_config.get

    # --- chains: parents, agents, ends ---

    @shielded
    def on_chain_start(
        self, serialized: Any, inputs: Any, *, run_id: UUID, parent_run_id: UUID | None = None,
        tags: list[str] | None = None, metadata: dict[str, Any] | None = None, **kwargs: Any,
    ) -> None:  # fmt: skip
        """A chain, a graph or a node begins."""
        if not self.enabled or self._skips(run_id, parent_run_id):
            return
        metadata = metadata or {}
        name = kwargs.get("name") or _class_name(serialized)
        parent = self._parent(parent_run_id)
        if parent is None:
            self._begin(run_id, name, inputs, metadata)
            return
        if parent.scope.trajectory.resume is not None:
            self.humans.answer(parent.scope.trajectory.root or parent)
        agent = metadata.get("lc_agent_name")
        if isinstance(agent, str) and agent != parent.scope.agent:
            node = self.recorder.begin_scope(parent, name, agent)
        else:
            node = Node(parent, None, "chain", name)
            if kwargs.get("run_type") == "prompt":
                _declare_prompt(parent, metadata)
            elif metadata.get("langgraph_node") == name:
                self.guards.enters(node)
        self.runs[run_id] = node

    def _begin(self, run_id: UUID, name: str, inputs: Any, metadata: Mapping[str, Any]) -> None:
        agent = metadata.get("lc_agent_name") or (None if name.startswith(PLAIN) else name)
        root = self.recorder.begin(name, agent=agent, who=who_of(metadata))
        if root is None:
            self.skipped.add(run_id)
            return
        if type(inputs).__name__ == "Command":
            root.scope.trajectory.resume = getattr(inputs, "resume", None)
        self.runs[run_id] = root

    @shielded
    def on_chain_end(self, outputs: Any, *, run_id: UUID, **kwargs: Any) -> None:
        """A chain, a graph or a node has ended."""
        node = self._ended(run_id)
        if node is None:
            return
        if node.kind == "middleware":
            self.guards.leaves(node, outputs)
        if node.kind == "scope":
            self._close(node, outputs, None)

    @shielded
    def on_chain_error(self, error: BaseException, *, run_id: UUID, **kwargs: Any) -> None:
        """A chain, a graph or a node has failed, waits, or was left."""
        node = self._ended(run_id)
        if node is None:
            return
        if is_pause(error):
            self.humans.waits(node, error.args[0] if error.args else ())
        elif node.kind == "middleware":
            self.guards.fails(node, error)
        if node.kind == "scope":
            self._close(node, None, error)

    def _close(self, node: Node, outputs: Any, error: BaseException | None) -> None:
        """End a scope: release what waits, find what nobody ran, write the span."""
        scope = node.scope
        messages = outputs.get("messages") if isinstance(outputs, Mapping) else None
        if isinstance(messages, list):
            self.guards.release(scope, messages)
        self.guards.release_rest(scope)
        root = node.parent is None
        waits = scope.trajectory.interrupted if root else error is not None and is_pause(error)
        status, fault = self._verdict(error, waits)
        structured = isinstance(outputs, Mapping) and "structured_response" in outputs
        if status is None and fault is None and not structured:
            with scope.trajectory.lock:
                self.tools.sweep(node, messages if isinstance(messages, list) else ())
                self.tools.sweep_rest(scope)
        if not root:
            self.recorder.finish_scope(node, status=status, error=fault)
            return
        if waits:
            self.humans.save(node)
        self.recorder.finish_root(node, status=status, error=fault)
        self._prune()

    def _verdict(
        self, error: BaseException | None, waits: bool
    ) -> tuple[str | None, tuple[str, str] | None]:
        if waits:
            return "interrupted", None
        if error is None or is_control(error):
            return None, None
        if type(error).__name__ in _GONE:
            return "abandoned", None
        return None, self.recorder.error_of(error)

    # --- models ---

    @shielded
    def on_chat_model_start(
        self, serialized: Any, messages: list[list[Any]], *, run_id: UUID,
        parent_run_id: UUID | None = None, tags: list[str] | None = None,
        metadata: dict[str, Any] | None = None, **kwargs: Any,
    ) -> None:  # fmt: skip
        """A chat model is asked."""
        if not self.enabled or self._skips(run_id, parent_run_id):
            return
        batch = messages[0] if messages else []
        parent = self._parent(parent_run_id) or self.loops.of_messages(batch)
        own = parent is None
        parent = parent or self._root("chat", metadata)
        if parent is None:
            self.skipped.add(run_id)
            return
        if parent.scope.guarded:
            self.guards.release(parent.scope, batch)
        node = self.models.start(
            parent, batch, metadata=metadata or {},
            name=kwargs.get("name") or _class_name(serialized),
            parameters=kwargs.get("invocation_params") or {}, options=kwargs.get("options") or {},
        )  # fmt: skip
        self._started(run_id, node, own)

    @shielded
    def on_llm_start(
        self, serialized: Any, prompts: list[str], *, run_id: UUID,
        parent_run_id: UUID | None = None, tags: list[str] | None = None,
        metadata: dict[str, Any] | None = None, **kwargs: Any,
    ) -> None:  # fmt: skip
        """A text model is asked."""
        if not self.enabled or self._skips(run_id, parent_run_id):
            return
        parent = self._parent(parent_run_id)
        own = parent is None
        parent = parent or self._root("chat", metadata)
        if parent is None:
            self.skipped.add(run_id)
            return
        node = self.models.start_text(
            parent, prompts, metadata=metadata or {},
            name=kwargs.get("name") or _class_name(serialized),
            parameters=kwargs.get("invocation_params") or {},
        )  # fmt: skip
        self._started(run_id, node, own)

    def on_llm_new_token(self, token: Any, *, run_id: UUID, **kwargs: Any) -> None:
        """Only the first piece of an answer matters, so this one is not shielded but trivial."""
        node = self.runs.get(run_id)
        if node is not None and not node.first_token:
            self.models.token(node)

    def on_stream_event(self, event: Any, *, run_id: UUID, **kwargs: Any) -> None:
        """The same for the newer event protocol."""
        self.on_llm_new_token("", run_id=run_id)

    @shielded
    def on_llm_end(self, response: Any, *, run_id: UUID, **kwargs: Any) -> None:
        """A model has answered."""
        node = self._ended(run_id)
        if node is not None:
            self.models.end(node, response)
            self.loops.answered(node)

    @shielded
    def on_llm_error(self, error: BaseException, *, run_id: UUID, **kwargs: Any) -> None:
        """A model has failed, or was left by whoever read its stream."""
        node = self._ended(run_id)
        if node is None:
            return
        if type(error).__name__ in _GONE:
            self.recorder.abandon(node)
            self.loops.ended(node, None, "abandoned")
            return
        self.models.fail(node, error, kwargs.get("response"))
        self.loops.ended(node, self.recorder.error_of(error), None)

    # --- tools and retrievers ---

    @shielded
    def on_tool_start(
        self, serialized: Any, input_str: str, *, run_id: UUID, parent_run_id: UUID | None = None,
        tags: list[str] | None = None, metadata: dict[str, Any] | None = None,
        inputs: dict[str, Any] | None = None, **kwargs: Any,
    ) -> None:  # fmt: skip
        """A tool begins to run."""
        if not self.enabled or self._skips(run_id, parent_run_id):
            return
        name = (serialized or {}).get("name") or kwargs.get("name") or "tool"
        call_id = kwargs.get("tool_call_id")
        parent = self._parent(parent_run_id) or self.loops.of_call(name, inputs, input_str, call_id)
        own = parent is None
        parent = parent or self._root(name, metadata)
        if parent is None:
            self.skipped.add(run_id)
            return
        node = self.tools.invalid(parent, inputs) if tools.is_invalid(name) else None
        node = node or self.tools.start(
            parent, name, description=(serialized or {}).get("description"), inputs=inputs,
            text=input_str, call_id=call_id,
        )  # fmt: skip
        self._started(run_id, node, own)

    @shielded
    def on_tool_end(self, output: Any, *, run_id: UUID, **kwargs: Any) -> None:
        """A tool has returned."""
        node = self._ended(run_id)
        if node is not None:
            self.tools.end(node, output)
            self.loops.ended(node, None, None)

    @shielded
    def on_tool_error(self, error: BaseException, *, run_id: UUID, **kwargs: Any) -> None:
        """A tool has raised, or waits for a person."""
        node = self._ended(run_id)
        if node is None:
            return
        if is_pause(error):
            self.humans.waits(node, error.args[0] if error.args else ())
            self.recorder.finish_step(node, status="interrupted")
        elif is_control(error):
            self.tools.end(node, error.args[0] if error.args else None)
        elif type(error).__name__ in _GONE:
            self.recorder.abandon(node)
        else:
            self.recorder.finish_step(node, error=self.recorder.error_of(error))
        self.loops.ended(node, self.recorder.error_of(error), None)

    @shielded
    def on_retriever_start(
        self, serialized: Any, query: str, *, run_id: UUID, parent_run_id: UUID | None = None,
        tags: list[str] | None = None, metadata: dict[str, Any] | None = None, **kwargs: Any,
    ) -> None:  # fmt: skip
        """A retriever is asked."""
        if not self.enabled or self._skips(run_id, parent_run_id):
            return
        parent = self._parent(parent_run_id)
        own = parent is None
        parent = parent or self._root("retrieval", metadata)
        if parent is None:
            self.skipped.add(run_id)
            return
        source = kwargs.get("name") or _class_name(serialized) or "retriever"
        node = self.recorder.start_step(parent, "retrieval", source, "retrieval")
        node.draft.attributes[names.DATA_SOURCE] = source
        node.draft.attributes[names.TURN] = max(1, node.scope.turn)
        node.draft.put(names.RETRIEVAL_QUERY, self.recorder.content.text(str(query)))
        self._started(run_id, self.recorder.open_step(node), own)

    @shielded
    def on_retriever_end(self, documents: Sequence[Any], *, run_id: UUID, **kwargs: Any) -> None:
        """A retriever has answered."""
        node = self._ended(run_id)
        if node is not None:
            found = extract.documents_of(documents)
            node.draft.put(names.RETRIEVAL_DOCUMENTS, self.recorder.content.json(found))
            self.recorder.finish_step(node)
            self.loops.ended(node, None, None)

    @shielded
    def on_retriever_error(self, error: BaseException, *, run_id: UUID, **kwargs: Any) -> None:
        """A retriever has failed."""
        node = self._ended(run_id)
        if node is not None:
            fault = self.recorder.error_of(error)
            self.recorder.finish_step(node, error=fault)
            self.loops.ended(node, fault, None)

    # --- graphs: pauses and scopes ---

    @shielded
    def on_interrupt(self, event: Any) -> None:
        """A graph waits at a checkpoint."""
        node = self.runs.get(event.run_id)
        if node is not None and node.parent is None:
            self.humans.paused(node.scope.trajectory, str(event.checkpoint_id))

    @shielded
    def on_resume(self, event: Any) -> None:
        """A graph goes on from a checkpoint."""
        node = self.runs.get(event.run_id)
        if node is not None and node.parent is None:
            self.humans.resumed(node, str(event.checkpoint_id))

    @shielded
    def graph_started(self, run_id: UUID | None) -> None:
        """A run turns out to be a graph; inside a tool it is a sub-agent's scope of its own."""
        node = self.runs.get(run_id) if run_id else None
        if node is None or node.kind != "chain" or node.parent is None:
            return
        if node.step is not None and node.step.kind == "tool" and node.step.scope is node.scope:
            node.kind = "scope"
            agent = None if node.name.startswith(PLAIN) else node.name
            self.recorder.open_scope(node, self.recorder.new_scope(node.parent, agent))

    def context_of(self, run_id: UUID | None) -> otel.Context | None:
        """The context that code of this run should have, unless it already hangs below it."""
        node = self.runs.get(run_id) if run_id else None
        if node is None or not node.scope.trajectory.alive:
            return None
        here = current()
        return None if here is node.anchor else node.context

    def _skips(self, run_id: UUID, parent: UUID | None) -> bool:
        """Whether a run belongs to one that is not recorded: not sampled, or suppressed."""
        if not self.skipped:
            return False
        if parent is None:
            config = var_child_runnable_config.get()
            parent = getattr(config.get("callbacks") if config else None, "parent_run_id", None)
        if parent not in self.skipped:
            return False
        self.skipped.add(run_id)
        return True

    def _ended(self, run_id: UUID) -> Node | None:
        if self.skipped:
            self.skipped.discard(run_id)
        return self.runs.pop(run_id, None)

    def _prune(self) -> None:
        """Forget runs whose own end never came, once their trajectory is over."""
        if len(self.runs) > _MANY:
            for run_id, node in list(self.runs.items()):
                if not node.scope.trajectory.alive:
                    self.runs.pop(run_id, None)

    def forget_open(self) -> None:
        """In a forked child: what is open belongs to the parent."""
        self.runs.clear()
        self.skipped.clear()
        self.loops.forget_open()

    # --- parents ---

    def _parent(self, run_id: UUID | None) -> Node | None:
        """The node that started a run: by its id, by the running config, or by the context."""
        node = self.runs.get(run_id) if run_id else None
        if node is None:
            config = var_child_runnable_config.get()
            manager = config.get("callbacks") if config else None
            parent = getattr(manager, "parent_run_id", None)
            node = self.runs.get(parent) if parent else None
        if node is None or not node.scope.trajectory.alive:
            node = current()
        if node is not None:
            complete(self.recorder, node)
        return node

    def _root(self, name: str, metadata: Mapping[str, Any] | None) -> Node | None:
        return self.recorder.begin(name, agent=None, who=who_of(metadata or {}))

    def _started(self, run_id: UUID, node: Node, own: bool) -> None:
        self.runs[run_id] = node
        if own:
            self.loops.begun(node)
        bare.enter(node)


def _declare_prompt(parent: Node, metadata: Mapping[str, Any]) -> None:
    """A LangChain prompt says its name and version in its metadata."""
    name = metadata.get("prompt_name") or metadata.get("lc_hub_repo")
    version = metadata.get("prompt_version") or metadata.get("lc_hub_commit_hash")
    if name or version:
        parent.prompt = parent.scope.prompt = (str(name or ""), str(version or "") or None)


def _class_name(serialized: Any) -> str:
    if not isinstance(serialized, Mapping):
        return ""
    name = serialized.get("name")
    path = serialized.get("id")
    return str(name or (path[-1] if isinstance(path, list) and path else ""))
