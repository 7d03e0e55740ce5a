"""Copies of models, tools and retrievers that answer where the original would touch the world.

A copy's own dictionary comes before its class, so LangChain's code around the call really runs.
"""

import asyncio
import inspect
from collections.abc import AsyncIterator, Iterator
from typing import Any, Final

from langchain_core.language_models import BaseChatModel
from langchain_core.messages import HumanMessage
from langchain_core.outputs import ChatGeneration, ChatResult, Generation, LLMResult
from langchain_core.outputs import GenerationChunk as TextChunk
from langchain_core.runnables import RunnableConfig
from langchain_core.tools import BaseTool

from tracer.replays.langchain import chunks_of

_REAL: Final = "_waypost_real"
_ANSWERS: Final = "_waypost_answers"
_NATIVE: Final = ("_stream_chat_model_events", "_astream_chat_model_events")


def is_one(model: Any) -> bool:
    """Whether this is a stand-in whose answer is known already."""
    return _ANSWERS in vars(model)


def real(model: Any) -> Any:
    """The model a stand-in was made of."""
    return vars(model).get(_REAL, model)


def _copy(model: Any, **own: Any) -> Any:
    made = model.model_copy()
    vars(made).update(own)
    vars(made)[_REAL] = real(model)
    return made


def chat(model: BaseChatModel, give: Any) -> Any:
    """A chat model that gives one answer, whole or in chunks."""

    def generate(messages: Any, *args: Any, **kwargs: Any) -> ChatResult:
        return ChatResult(generations=[ChatGeneration(message=give())])

    async def agenerate(messages: Any, *args: Any, **kwargs: Any) -> ChatResult:
        return generate(messages)

    def stream(messages: Any, *args: Any, **kwargs: Any) -> Iterator[Any]:
        yield from chunks_of(give())

    async def astream(messages: Any, *args: Any, **kwargs: Any) -> AsyncIterator[Any]:
        for chunk in chunks_of(give()):
            yield chunk

    return _copy(
        model, _generate=generate, _agenerate=agenerate, _stream=stream, _astream=astream,
        cache=False, rate_limiter=None, **{_ANSWERS: True}, **dict.fromkeys(_NATIVE),
    )  # fmt: skip


def streaming(model: Any, listener: Any) -> Any:
    """A chat model that asks for its answer when its stream begins."""

    def stream(messages: Any, *args: Any, **kwargs: Any) -> Iterator[Any]:
        give = listener.session.model(listener.of(None), messages, kwargs)
        if give is None:
            yield from model._stream(messages, *args, **kwargs)
        else:
            yield from chunks_of(give())

    async def astream(messages: Any, *args: Any, **kwargs: Any) -> AsyncIterator[Any]:
        give = listener.session.model(listener.of(None), messages, kwargs)
        if give is None:
            async for chunk in model._astream(messages, *args, **kwargs):
                yield chunk
        else:
            for chunk in chunks_of(give()):
                yield chunk

    limiter = None if listener.session.sealed else model.rate_limiter
    return _copy(model, _stream=stream, _astream=astream, rate_limiter=limiter)


def text(model: Any, listener: Any) -> Any:
    """A text model; its prompt was recorded as one user message."""
    if _REAL in vars(model) or listener.session.all_live:
        return model
    prompts = _Prompts(model, listener)
    return _copy(
        model, _generate=prompts.generate, _agenerate=prompts.agenerate, _stream=prompts.stream,
        _astream=prompts.astream, cache=False,
    )  # fmt: skip


class _Prompts:
    """What a text model says to each prompt, from the recording or from the model itself."""

    def __init__(self, model: Any, listener: Any) -> None:
        self._model = model
        self._listener = listener

    def _say(self, prompt: str, options: Any) -> str | None:
        asked = [HumanMessage(prompt)]
        give = self._listener.session.model(self._listener.of(None), asked, options)
        return None if give is None else str(give().text)

    def _whole(self, prompts: list[str], options: Any) -> LLMResult | None:
        given = [self._say(prompt, options) for prompt in prompts]
        known = [[Generation(text=text)] for text in given if text is not None]
        return LLMResult(generations=known) if len(known) == len(prompts) else None

    def generate(self, prompts: list[str], *args: Any, **kwargs: Any) -> Any:
        return self._whole(prompts, kwargs) or self._model._generate(prompts, *args, **kwargs)

    async def agenerate(self, prompts: list[str], *args: Any, **kwargs: Any) -> Any:
        known = self._whole(prompts, kwargs)
        return known or await self._model._agenerate(prompts, *args, **kwargs)

    def stream(self, prompt: str, *args: Any, **kwargs: Any) -> Iterator[Any]:
        found = self._say(prompt, kwargs)
        if found is None:
            yield from self._model._stream(prompt, *args, **kwargs)
        else:
            yield TextChunk(text=found)

    async def astream(self, prompt: str, *args: Any, **kwargs: Any) -> AsyncIterator[Any]:
        found = self._say(prompt, kwargs)
        if found is not None:
            yield TextChunk(text=found)
            return
        async for chunk in self._model._astream(prompt, *args, **kwargs):
            yield chunk


def tool(made_of: BaseTool, listener: Any) -> Any:
    """A tool that gives what it gave when it was recorded."""

    def run(
        *args: Any, config: RunnableConfig, run_manager: Any = None, **kwargs: Any
    ) -> Any:  # fmt: skip
        give = _give(made_of, listener, run_manager)
        if give is None:
            return made_of._run(*args, **_wanted(made_of._run, config, run_manager), **kwargs)
        return _shaped(made_of, _settled(give()))

    async def arun(
        *args: Any, config: RunnableConfig, run_manager: Any = None, **kwargs: Any
    ) -> Any:  # fmt: skip
        give = _give(made_of, listener, run_manager)
        if give is None:
            own = type(made_of)._arun is not BaseTool._arun
            wanted = _wanted(made_of._arun if own else made_of._run, config, run_manager)
            return await made_of._arun(*args, **wanted, **kwargs)
        value = give()
        return _shaped(made_of, await value if inspect.isawaitable(value) else value)

    return _copy(made_of, _run=run, _arun=arun)


def _settled(value: Any) -> Any:
    """What a function answered; a tool without a coroutine runs in a thread of its own."""
    return asyncio.run(_awaited(value)) if inspect.isawaitable(value) else value


async def _awaited(value: Any) -> Any:
    return await value


def _give(made_of: BaseTool, listener: Any, run_manager: Any) -> Any:
    run = listener.of(getattr(run_manager, "run_id", None))
    return listener.session.tool(run, made_of.name, commands=_commands(made_of))


def _commands(made_of: Any) -> bool:
    """Whether a tool says of itself that it may answer with a LangGraph command."""
    function = getattr(made_of, "func", None) or getattr(made_of, "coroutine", None)
    wanted = getattr(function or made_of._run, "__annotations__", {}).get("return")
    return "Command" in (wanted if isinstance(wanted, str) else repr(wanted))


def _wanted(function: Any, config: Any, run_manager: Any) -> dict[str, Any]:
    """What LangChain hands to a tool that asks for it."""
    wanted = {}
    for name, parameter in inspect.signature(function).parameters.items():
        if name == "run_manager":
            wanted[name] = run_manager
        elif parameter.annotation in (RunnableConfig, "RunnableConfig"):
            wanted[name] = config
    return wanted


def _shaped(made_of: BaseTool, value: Any) -> Any:
    """An artifact is not recorded; a tool that gives one gives none."""
    pair = made_of.response_format == "content_and_artifact" and not isinstance(value, tuple)
    return (value, None) if pair else value


def retriever(made_of: Any, listener: Any) -> Any:
    """A retriever that finds what it found when it was recorded."""

    def find(query: str, *, run_manager: Any = None, **kwargs: Any) -> Any:
        give = _found(made_of, listener, run_manager)
        if give is not None:
            return _documents(_settled(give()))
        return made_of._get_relevant_documents(query, **_told(made_of, run_manager), **kwargs)

    async def afind(query: str, *, run_manager: Any = None, **kwargs: Any) -> Any:
        give = _found(made_of, listener, run_manager)
        if give is None:
            told = _told(made_of, run_manager)
            return await made_of._aget_relevant_documents(query, **told, **kwargs)
        value = give()
        return _documents(await value if inspect.isawaitable(value) else value)

    return _copy(made_of, _get_relevant_documents=find, _aget_relevant_documents=afind)


def _found(made_of: Any, listener: Any, run_manager: Any) -> Any:
    run = listener.of(getattr(run_manager, "run_id", None))
    return listener.session.retriever(run, made_of.get_name())


def _told(made_of: Any, run_manager: Any) -> dict[str, Any]:
    return {"run_manager": run_manager} if made_of._new_arg_supported else {}


def _documents(value: Any) -> Any:
    """What a function answers for a retriever may be plain texts."""
    from langchain_core.documents import Document

    return [Document(page_content=v) if isinstance(v, str) else v for v in value]
