"""The functions of LangChain and LangGraph behind which a recording answers.

They are wrapped while a session is open anywhere in the process, and do nothing where none sits in
the context. Unlike with the tracer, a name that is gone is an error: what has no answer would run.
"""

import importlib
import threading
from collections.abc import Callable
from functools import wraps
from typing import TYPE_CHECKING, Any, Final

from tracer.patches import Patch, Patched, find, undo
from tracer.replays import standins
from tracer.run import REPLAY
from tracer.threads import Threads
from waypost.errors import WaypostError

if TYPE_CHECKING:
    from tracer.replays.session import Session

_CHAT: Final = ("langchain_core.language_models.chat_models", "BaseChatModel")
_TEXT: Final = ("langchain_core.language_models.llms", "BaseLLM")
_TOOL: Final = ("langchain_core.tools.base", "BaseTool")
_RETRIEVER: Final = ("langchain_core.retrievers", "BaseRetriever")
_GRAPH: Final = ("langgraph.pregel.main", "Pregel")


class Interception:
    """Wraps the names when the first session opens and puts them back after the last."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._open = 0
        self._hooked = False
        self._patched: list[Patched] = []
        self._threads = Threads()

    def open(self, session: "Session") -> Any:
        """What listens for this session; WaypostError where LangChain cannot be intercepted."""
        with self._lock:
            try:
                self._wrap()
            except WaypostError:
                self._put_back()
                raise
            self._open += 1
        from tracer.replays.places import Places

        return Places(session)

    def close(self) -> None:
        """One session less."""
        with self._lock:
            self._open -= 1
            self._put_back()

    def _put_back(self) -> None:
        """What somebody else has wrapped since stays; it does nothing outside of a session."""
        if self._open:
            return
        self._threads.remove()
        for patched in reversed(self._patched):
            undo(patched)
        self._patched = [p for p in self._patched if _is_there(p)]

    def _wrap(self) -> None:
        self._hook()
        self._threads.install()
        for patch in PATCHES:
            try:
                module = importlib.import_module(patch.module)
            except ImportError:
                continue  # only LangGraph may be missing, `_hook` has seen the rest
            owner, original = find(patch, module)
            if original is None:
                if patch.name in _YOUNG:
                    continue
                raise WaypostError(
                    f"{patch} is gone from this LangChain, so a run cannot be executed again "
                    "without touching the world. Use a release Waypost knows."
                )
            known = next((p for p in self._patched if _is(p, owner, patch.name)), None)
            if known is None or not _is_there(known):
                wrapper = patch.wrap(None, original)
                setattr(owner, patch.name, wrapper)
                self._patched.append(Patched(owner, patch.name, original, wrapper))

    def _hook(self) -> None:
        """LangChain asks the variable for a listener; outside of a session it gives none."""
        try:
            from langchain_core.tracers.context import register_configure_hook
        except ImportError as error:
            raise WaypostError(
                "A run can be executed again where langchain-core is installed; it is not."
            ) from error
        if not self._hooked:
            register_configure_hook(REPLAY, inheritable=True)
            self._hooked = True


def _is(patched: Patched, owner: object, name: str) -> bool:
    return patched.owner is owner and patched.name == name


def _is_there(patched: Patched) -> bool:
    """Whether our wrapper still stands, itself or below another's."""
    here = getattr(patched.owner, patched.name, None)
    while here is not None:
        if here is patched.wrapper:
            return True
        here = getattr(here, "__wrapped__", None)
    return False


def _listener() -> Any:
    """What listens here, unless its session is over."""
    listener = REPLAY.get()
    return None if listener is None or listener.session.closed else listener


def _session() -> Any:
    listener = _listener()
    return None if listener is None else listener.session


# --- chat models ---


def _generate(_: object, original: Callable[..., Any]) -> Callable[..., Any]:
    """A model that is answered runs as a stand-in, so that chunks and callbacks really happen."""

    @wraps(original)
    def generate_with_cache(model: Any, messages: Any, *args: Any, **kwargs: Any) -> Any:
        return original(_answering(model, messages, kwargs), messages, *args, **kwargs)

    return generate_with_cache


def _agenerate(_: object, original: Callable[..., Any]) -> Callable[..., Any]:
    @wraps(original)
    async def agenerate_with_cache(model: Any, messages: Any, *args: Any, **kwargs: Any) -> Any:
        return await original(_answering(model, messages, kwargs), messages, *args, **kwargs)

    return agenerate_with_cache


def _events(_: object, original: Callable[..., Any]) -> Callable[..., Any]:
    @wraps(original)
    def iter_events(model: Any, messages: Any, *args: Any, **kwargs: Any) -> Any:
        yield from original(_answering(model, messages, kwargs), messages, *args, **kwargs)

    return iter_events


def _aevents(_: object, original: Callable[..., Any]) -> Callable[..., Any]:
    @wraps(original)
    async def aiter_events(model: Any, messages: Any, *args: Any, **kwargs: Any) -> Any:
        answering = _answering(model, messages, kwargs)
        async for event in original(answering, messages, *args, **kwargs):
            yield event

    return aiter_events


def _answering(model: Any, messages: Any, kwargs: dict[str, Any]) -> Any:
    """The stand-in that gives the recorded answer, or the model itself."""
    listener = _listener()
    if listener is None or standins.is_one(model):
        return model
    manager = kwargs.get("run_manager")
    run = listener.of(getattr(manager, "run_id", None))
    real = standins.real(model)
    give = listener.session.model(run, messages, kwargs)
    return real if give is None else standins.chat(real, give)


def _stream(_: object, original: Callable[..., Any]) -> Callable[..., Any]:
    """A direct stream is asked for its answer once its callbacks have begun."""

    @wraps(original)
    def stream(model: Any, *args: Any, **kwargs: Any) -> Any:
        session = _session()
        if session is None or session.all_live or standins.is_one(model):
            return original(model, *args, **kwargs)
        return original(standins.streaming(model, REPLAY.get()), *args, **kwargs)

    return stream


# --- text models ---


def _text(_: object, original: Callable[..., Any]) -> Callable[..., Any]:
    @wraps(original)
    def generate_helper(model: Any, *args: Any, **kwargs: Any) -> Any:
        listener = _listener()
        return original(standins.text(model, listener) if listener else model, *args, **kwargs)

    return generate_helper


def _atext(_: object, original: Callable[..., Any]) -> Callable[..., Any]:
    @wraps(original)
    async def agenerate_helper(model: Any, *args: Any, **kwargs: Any) -> Any:
        listener = _listener()
        made = standins.text(model, listener) if listener else model
        return await original(made, *args, **kwargs)

    return agenerate_helper


# --- tools, retrievers and graphs ---


def _tool(_: object, original: Callable[..., Any]) -> Callable[..., Any]:
    """Checks of arguments, callbacks and the shaping of results really run, the tool does not."""

    @wraps(original)
    def run(tool: Any, *args: Any, **kwargs: Any) -> Any:
        listener = _listener()
        return original(standins.tool(tool, listener) if listener else tool, *args, **kwargs)

    return run


def _retriever(_: object, original: Callable[..., Any]) -> Callable[..., Any]:
    @wraps(original)
    def invoke(retriever: Any, *args: Any, **kwargs: Any) -> Any:
        listener = _listener()
        made = standins.retriever(retriever, listener) if listener else retriever
        return original(made, *args, **kwargs)

    return invoke


def _graph(_: object, original: Callable[..., Any]) -> Callable[..., Any]:
    """A graph runs on a checkpointer, a store and a cache of the session's own."""

    @wraps(original)
    def stream(graph: Any, *args: Any, **kwargs: Any) -> Any:
        session = _session()
        return original(session.detached(graph) if session else graph, *args, **kwargs)

    return stream


_YOUNG: Final = frozenset({"_iter_v2_events", "_aiter_v2_events"})
PATCHES: Final = (
    Patch(*_CHAT, "_generate_with_cache", _generate),
    Patch(*_CHAT, "_agenerate_with_cache", _agenerate),
    Patch(*_CHAT, "_iter_v2_events", _events),
    Patch(*_CHAT, "_aiter_v2_events", _aevents),
    Patch(*_CHAT, "stream", _stream),
    Patch(*_CHAT, "astream", _stream),
    Patch(*_TEXT, "_generate_helper", _text),
    Patch(*_TEXT, "_agenerate_helper", _atext),
    Patch(*_TEXT, "stream", _text),
    Patch(*_TEXT, "astream", _text),
    Patch(*_TOOL, "run", _tool),
    Patch(*_TOOL, "arun", _tool),
    Patch(*_RETRIEVER, "invoke", _retriever),
    Patch(*_RETRIEVER, "ainvoke", _retriever),
    Patch(*_GRAPH, "stream", _graph),
    Patch(*_GRAPH, "astream", _graph),
)
INTERCEPTION: Final = Interception()
