"""Where in its run each live call is: listens to LangChain while a session is open."""

from collections.abc import Mapping
from contextvars import ContextVar
from typing import Any, Final
from uuid import UUID

from langchain_core.callbacks.base import BaseCallbackHandler
from langchain_core.runnables.config import var_child_runnable_config

from tracer import extract
from tracer.langchain import PLAIN
from tracer.replays.recording import Place

# The run that was started last in this context. Streams and old retrievers are not told their id.
_STARTED: Final[ContextVar[UUID | None]] = ContextVar("waypost-replay-started", default=None)


class Run:
    """One live run: its place, and the place of what it calls."""

    __slots__ = (
        "agent", "arguments", "call_id", "in_tool", "inside", "is_root", "lives", "model", "place",
        "tools",
    )  # fmt: skip

    def __init__(self, above: "Run | None") -> None:
        self.is_root = above is None
        self.place: Place = above.inside if above else ()
        self.inside: Place = self.place
        self.agent: str | None = above.agent if above else None
        self.in_tool: bool = above.in_tool if above else False
        self.call_id = ""
        self.arguments: object = None
        self.model: str | None = None
        self.tools: Any = None
        self.lives = False


class Places(BaseCallbackHandler):
    """Names the places as the recording does; below a tool only tools count."""

    run_inline = True

    def __init__(self, session: Any) -> None:
        self.session = session
        self._runs: dict[UUID, Run] = {}

    def of(self, run_id: UUID | None) -> Run:
        """The run of that id, else the one started last here, else one at the root."""
        found = self._runs.get(run_id) if run_id else None
        if found is None and (started := _STARTED.get()) is not None:
            found = self._runs.get(started)
        return found or Run(None)

    def _start(self, run_id: UUID, parent_run_id: UUID | None) -> Run:
        if self.session.closed:
            return Run(None)
        above = self._runs.get(parent_run_id) if parent_run_id else None
        if above is None:
            config = var_child_runnable_config.get()
            parent = getattr(config.get("callbacks") if config else None, "parent_run_id", None)
            above = self._runs.get(parent) if parent else None
        run = self._runs[run_id] = Run(above)
        _STARTED.set(run_id)
        return run

    def on_chain_start(
        self, serialized: Any, inputs: Any, *, run_id: UUID, parent_run_id: UUID | None = None,
        tags: list[str] | None = None, metadata: dict[str, Any] | None = None, **kwargs: Any,
    ) -> None:  # fmt: skip
        """A graph of another agent, as a node, is a place of its own; the root is named as well."""
        run = self._start(run_id, parent_run_id)
        agent = (metadata or {}).get("lc_agent_name")
        if run.is_root:
            name = str(kwargs.get("name") or "")
            run.agent = agent or (None if name.startswith(PLAIN) else name)
        elif isinstance(agent, str) and agent != run.agent:
            if not run.in_tool:
                run.inside = (*run.place, ("agent", agent, ""))
            run.agent = agent

    def on_chat_model_start(
        self, serialized: Any, messages: list[list[Any]], *, run_id: UUID,
        parent_run_id: UUID | None = None, tags: list[str] | None = None,
        metadata: dict[str, Any] | None = None, **kwargs: Any,
    ) -> None:  # fmt: skip
        """A chat model is asked."""
        self._model(run_id, parent_run_id, metadata, kwargs)

    def on_llm_start(
        self, serialized: Any, prompts: list[str], *, run_id: UUID,
        parent_run_id: UUID | None = None, tags: list[str] | None = None,
        metadata: dict[str, Any] | None = None, **kwargs: Any,
    ) -> None:  # fmt: skip
        """A text model is asked."""
        self._model(run_id, parent_run_id, metadata, kwargs)

    def _model(
        self, run_id: UUID, parent: UUID | None, metadata: Mapping[str, Any] | None,
        said: Mapping[str, Any],
    ) -> None:  # fmt: skip
        run = self._start(run_id, parent)
        parameters = said.get("invocation_params") or {}
        name = (metadata or {}).get("ls_model_name") or parameters.get("model")
        run.model = name if isinstance(name, str) else None
        run.tools = parameters.get("tools") or parameters.get("functions")

    def on_tool_start(
        self, serialized: Any, input_str: str, *, run_id: UUID, parent_run_id: UUID | None = None,
        tags: list[str] | None = None, metadata: dict[str, Any] | None = None,
        inputs: dict[str, Any] | None = None, **kwargs: Any,
    ) -> None:  # fmt: skip
        """A tool begins."""
        run = self._start(run_id, parent_run_id)
        name = str((serialized or {}).get("name") or kwargs.get("name") or "tool")
        run.call_id = str(kwargs.get("tool_call_id") or "")
        run.arguments = extract.arguments_of(inputs, input_str)
        run.inside = (*run.place, ("tool", name, run.call_id))
        run.in_tool = True

    def on_retriever_start(
        self, serialized: Any, query: str, *, run_id: UUID, parent_run_id: UUID | None = None,
        tags: list[str] | None = None, metadata: dict[str, Any] | None = None, **kwargs: Any,
    ) -> None:  # fmt: skip
        """A retriever is asked."""
        self._start(run_id, parent_run_id).arguments = query
