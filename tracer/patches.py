"""The few functions of LangChain and LangGraph that are wrapped to make our span the current one.

They are private: a name that is gone is skipped, said once, and makes a test of ours fail.
"""

from collections.abc import AsyncIterator, Awaitable, Callable, Generator, Iterator
from contextvars import Context, copy_context
from functools import wraps
from types import ModuleType
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from opentelemetry import context as otel

from tracer.bare import PRIVATE
from tracer.shield import LOG

if TYPE_CHECKING:
    from tracer.langchain import StepHandler

# The listener of whoever wraps, and what is wrapped.
Wrap = Callable[[Any, Callable[..., Any]], Callable[..., Any]]


class Patch(NamedTuple):
    """One name in one module (or class of it) and how it is wrapped."""

    module: str
    owner: str | None
    name: str
    wrap: Wrap

    def __str__(self) -> str:
        return ".".join(filter(None, (self.module, self.owner, self.name)))


class Patched(NamedTuple):
    """What was there before."""

    owner: Any
    name: str
    original: Any
    wrapper: Any


def apply(patch: Patch, module: ModuleType, handler: Any) -> Patched | None:
    """Wrap one name; None and a warning where LangChain no longer has it."""
    owner, original = find(patch, module)
    if original is None:
        LOG.warning(
            "%s is gone: spans of your own code may not hang below the step that made them", patch
        )
        return None
    wrapper = patch.wrap(handler, original)
    setattr(owner, patch.name, wrapper)
    return Patched(owner, patch.name, original, wrapper)


def find(patch: Patch, module: ModuleType) -> tuple[Any, Any]:
    """The module or class a name lives in, and what stands under it; None where it is gone."""
    owner = getattr(module, patch.owner, None) if patch.owner else module
    return owner, getattr(owner, patch.name, None)


def undo(patched: Patched) -> None:
    """Put back what was there, unless somebody else has wrapped it since."""
    if getattr(patched.owner, patched.name, None) is patched.wrapper:
        setattr(patched.owner, patched.name, patched.original)


def _config_context(handler: "StepHandler", original: Callable[..., Any]) -> Callable[..., Any]:
    """LangChain runs user code in a copy of the context: hang our span in there."""

    @wraps(original)
    def set_config_context(config: Any, *args: Any, **kwargs: Any) -> Any:
        if handler.enabled:
            run_id = getattr(config.get("callbacks"), "parent_run_id", None)
            context = handler.context_of(run_id)
            if context is not None:
                otel.attach(context)  # the copy is thrown away, nothing is to be detached
        return original(config, *args, **kwargs)

    return set_config_context


def _graph_manager(handler: "StepHandler", original: Callable[..., Any]) -> Callable[..., Any]:
    """Graphs tell about pauses only to handlers of their own kind, so ours is added by hand."""

    @wraps(original)
    def graph_callback_manager(*args: Any, **kwargs: Any) -> Any:
        manager = original(*args, **kwargs)
        if handler.enabled:
            handler.graph_started(kwargs.get("run_id"))
            manager.add_handler(handler, inherit=False)
        return manager

    return graph_callback_manager


def _generate(handler: "StepHandler", original: Callable[..., Any]) -> Callable[..., Any]:
    """The provider's requests happen inside; the model step is current there."""

    @wraps(original)
    def generate_with_cache(*args: Any, **kwargs: Any) -> Any:
        context = _of_manager(handler, kwargs)
        if context is None:
            return original(*args, **kwargs)
        token = otel.attach(context)
        try:
            return original(*args, **kwargs)
        finally:
            otel.detach(token)

    return generate_with_cache


def _agenerate(handler: "StepHandler", original: Callable[..., Any]) -> Callable[..., Any]:
    @wraps(original)
    async def agenerate_with_cache(*args: Any, **kwargs: Any) -> Any:
        context = _of_manager(handler, kwargs)
        if context is None:
            return await original(*args, **kwargs)
        token = otel.attach(context)
        try:
            return await original(*args, **kwargs)
        finally:
            otel.detach(token)

    return agenerate_with_cache


def _of_manager(handler: "StepHandler", kwargs: dict[str, Any]) -> otel.Context | None:
    manager = kwargs.get("run_manager")
    return handler.context_of(getattr(manager, "run_id", None)) if handler.enabled else None


def _stream(handler: "StepHandler", original: Callable[..., Any]) -> Callable[..., Any]:
    """A stream's callbacks and requests share one private context, however it is read."""

    @wraps(original)
    def stream(*args: Any, **kwargs: Any) -> Iterator[Any]:
        generator = original(*args, **kwargs)
        return _driven(generator) if handler.enabled else generator

    return stream


def _driven(generator: Generator[Any, None, None]) -> Iterator[Any]:
    private = _private_context()
    try:
        while True:
            try:
                chunk = private.run(next, generator)
            except StopIteration:
                return
            yield chunk
    finally:
        private.run(generator.close)


def _astream(handler: "StepHandler", original: Callable[..., Any]) -> Callable[..., Any]:
    @wraps(original)
    def astream(*args: Any, **kwargs: Any) -> AsyncIterator[Any]:
        generator = original(*args, **kwargs)
        return _adriven(generator) if handler.enabled else generator

    return astream


async def _adriven(generator: Any) -> AsyncIterator[Any]:
    private = _private_context()
    try:
        while True:
            try:
                chunk = await _Inside(private, generator.__anext__())
            except StopAsyncIteration:
                return
            yield chunk
    finally:
        await _Inside(private, generator.aclose())


class _Inside:
    """Awaits something so that each of its stretches runs in a given context."""

    __slots__ = ("_awaited", "_context")

    def __init__(self, context: Context, awaited: Awaitable[Any]) -> None:
        self._context = context
        self._awaited = awaited

    def __await__(self) -> Generator[Any, Any, Any]:
        inner = self._awaited.__await__()
        try:
            waiting = self._context.run(next, inner)
            while True:
                try:
                    sent = yield waiting
                except BaseException as error:  # noqa: BLE001 - handed on to whom it is meant for
                    waiting = self._context.run(inner.throw, error)
                else:
                    waiting = self._context.run(inner.send, sent)
        except StopIteration as end:
            return end.value


def _private_context() -> Context:
    private = copy_context()
    private.run(PRIVATE.set, True)
    return private


PATCHES: Final = (
    Patch("langchain_core.runnables.config", None, "_set_config_context", _config_context),
    Patch("langgraph._internal._runnable", None, "_set_config_context", _config_context),
    Patch(
        "langgraph.pregel.main", None, "get_sync_graph_callback_manager_for_config", _graph_manager
    ),
    Patch(
        "langgraph.pregel.main", None, "get_async_graph_callback_manager_for_config", _graph_manager
    ),
    Patch(
        "langchain_core.language_models.chat_models",
        "BaseChatModel",
        "_generate_with_cache",
        _generate,
    ),
    Patch(
        "langchain_core.language_models.chat_models",
        "BaseChatModel",
        "_agenerate_with_cache",
        _agenerate,
    ),
    Patch("langchain_core.language_models.chat_models", "BaseChatModel", "stream", _stream),
    Patch("langchain_core.language_models.chat_models", "BaseChatModel", "astream", _astream),
)
