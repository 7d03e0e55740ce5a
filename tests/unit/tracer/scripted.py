"""A chat model that says what a script tells it, so that runs are the same every time."""

import json
import threading
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from typing import Any

from langchain_core.callbacks import CallbackManagerForLLMRun
from langchain_core.language_models.chat_models import BaseChatModel
from langchain_core.messages import AIMessage, AIMessageChunk, BaseMessage
from langchain_core.messages.ai import InputTokenDetails, OutputTokenDetails, UsageMetadata
from langchain_core.messages.tool import tool_call_chunk
from langchain_core.outputs import ChatGeneration, ChatGenerationChunk, ChatResult
from langchain_core.utils.function_calling import convert_to_openai_tool
from pydantic import Field, PrivateAttr

Answer = AIMessage | BaseException | Callable[[list[BaseMessage]], AIMessage]


def call(name: str, call_id: str = "c1", **arguments: Any) -> dict[str, Any]:
    """One tool call of an answer."""
    return {"name": name, "args": arguments, "id": call_id, "type": "tool_call"}


def says(text: str = "", *calls: dict[str, Any]) -> AIMessage:
    """An answer with usage, as a provider would give it."""
    usage = UsageMetadata(
        input_tokens=100,
        output_tokens=10,
        total_tokens=110,
        input_token_details=InputTokenDetails(cache_read=64),
        output_token_details=OutputTokenDetails(reasoning=4),
    )
    meta = {"model_name": "scripted-2026-11-01", "finish_reason": "tool_calls" if calls else "stop"}
    return AIMessage(
        content=text, tool_calls=list(calls), usage_metadata=usage, response_metadata=meta
    )


class Scripted(BaseChatModel):
    """Answers in the order of its script; an exception in the script is raised."""

    script: list[Any] = Field(default_factory=list)
    model: str = "scripted"
    streams: bool = False
    io: Any = None
    temperature: float = 0.2
    _at: int = PrivateAttr(default=0)
    _lock: Any = PrivateAttr(default_factory=threading.Lock)

    @property
    def _llm_type(self) -> str:
        return "scripted"

    def _get_ls_params(self, stop: list[str] | None = None, **kwargs: Any) -> Any:
        return {"ls_provider": "openai", "ls_model_name": self.model, "ls_model_type": "chat",
                "ls_temperature": self.temperature}  # fmt: skip

    @property
    def _identifying_params(self) -> dict[str, Any]:
        return {"model": self.model, "temperature": self.temperature}

    def bind_tools(self, tools: Sequence[Any], **kwargs: Any) -> Any:
        return self.bind(tools=[convert_to_openai_tool(t) for t in tools], **kwargs)

    def _next(self, messages: list[BaseMessage]) -> AIMessage:
        if self.io is not None:
            self.io()
        with self._lock:
            answer = self.script[self._at % len(self.script)]
            self._at += 1
        if isinstance(answer, BaseException):
            raise answer
        if callable(answer):
            answer = answer(messages)
        message: AIMessage = answer.model_copy()
        return message

    def _generate(
        self, messages: list[BaseMessage], stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None, **kwargs: Any,
    ) -> ChatResult:  # fmt: skip
        return ChatResult(generations=[ChatGeneration(message=self._next(messages))])

    def _stream(
        self, messages: list[BaseMessage], stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None, **kwargs: Any,
    ) -> Iterator[ChatGenerationChunk]:  # fmt: skip
        if not self.streams:
            raise NotImplementedError
        for chunk in chunks(self._next(messages)):
            if run_manager:
                run_manager.on_llm_new_token(str(chunk.message.content), chunk=chunk)
            yield chunk

    async def _astream(
        self, messages: list[BaseMessage], stop: list[str] | None = None,
        run_manager: Any = None, **kwargs: Any,
    ) -> AsyncIterator[ChatGenerationChunk]:  # fmt: skip
        if not self.streams:
            raise NotImplementedError
        for chunk in chunks(self._next(messages)):
            if run_manager:
                await run_manager.on_llm_new_token(str(chunk.message.content), chunk=chunk)
            yield chunk

    def _should_stream(self, **kwargs: Any) -> bool:
        return self.streams and super()._should_stream(**kwargs)


def chunks(message: AIMessage) -> Iterator[ChatGenerationChunk]:
    """An answer in pieces, usage and calls last."""
    for word in str(message.content).split(" ") if message.content else ():
        yield ChatGenerationChunk(message=AIMessageChunk(content=word + " "))
    pieces = [
        tool_call_chunk(name=c["name"], args=json.dumps(c["args"]), id=c["id"], index=i)
        for i, c in enumerate(message.tool_calls)
    ]
    last = AIMessageChunk(
        content="",
        tool_call_chunks=pieces,
        usage_metadata=message.usage_metadata,
        response_metadata=message.response_metadata,
        chunk_position="last",
    )
    yield ChatGenerationChunk(message=last)
