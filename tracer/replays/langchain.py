"""Recorded answers as LangChain's own objects; imported with the first replay."""

import builtins
import json
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final

from langchain_core.documents import Document
from langchain_core.messages import (
    AIMessage,
    AIMessageChunk,
    HumanMessage,
    SystemMessage,
    ToolMessage,
)
from langchain_core.messages.ai import InputTokenDetails, OutputTokenDetails, UsageMetadata
from langchain_core.messages.tool import tool_call_chunk
from langchain_core.outputs import ChatGenerationChunk
from langchain_core.tools import ToolException

from tracer.replays.recording import Answer, Recording, loose, said

_SAID_SO: Final = "ToolError"


def message_of(answer: Answer, options: Mapping[str, Any]) -> AIMessage:
    """What the model said: text, reasoning, calls, usage and who it was."""
    parts = [p for m in answer.say("output") or () for p in said(m, "parts") or ()]
    more = {
        "usage_metadata": _usage(answer.say("tokens")),
        "response_metadata": _meta(answer),
        "id": answer.say("response_id") or None,
    }
    return _spoken(parts, options, **more)


def _spoken(parts: Iterable[Any], options: Mapping[str, Any], **more: Any) -> AIMessage:
    blocks: list[Any] = []
    calls: list[Any] = []
    broken: list[Any] = []
    for part in parts:
        if part.get("type") == "tool_call":
            (calls if isinstance(part.get("arguments"), dict) else broken).append(part)
        else:
            blocks.append(_block(part))
    return AIMessage(
        content=_content(blocks),
        additional_kwargs=_parsed(blocks, options),
        tool_calls=[_call(c) for c in calls],
        invalid_tool_calls=[_call(c) | {"error": None} for c in broken],
        **more,
    )


def conversation_of(messages: Iterable[Any]) -> Iterator[Any]:
    """Recorded messages as LangChain's own."""
    for message in messages:
        parts = said(message, "parts") or ()
        role = said(message, "role")
        if role == "tool":
            yield from (_answered(p) for p in parts if "response" in p)
        elif role == "assistant":
            yield _spoken(parts, {})
        else:
            made = SystemMessage if role == "system" else HumanMessage
            yield made(content=_content([_block(p) for p in parts]))


def _answered(part: Mapping[str, Any]) -> ToolMessage:
    response = part["response"]
    content = response if isinstance(response, str | list) else json.dumps(response)
    return ToolMessage(content=content, tool_call_id=str(part.get("id") or ""))


def _block(part: Mapping[str, Any]) -> dict[str, Any]:
    kind, content = part.get("type"), part.get("content")
    if kind == "text":
        return {"type": "text", "text": content or ""}
    if kind == "reasoning":
        return {"type": "reasoning", "reasoning": content or ""}
    if kind in ("blob", "uri", "file"):
        return _media(part)
    return dict(part)


def _media(part: Mapping[str, Any]) -> dict[str, Any]:
    """A picture, a sound or a file; of large ones only the hash was recorded."""
    found = {
        "type": part.get("modality") or "file",
        "mime_type": part.get("mime_type"),
        "base64": part.get("content"),
        "url": part.get("uri"),
        "file_id": part.get("file_id"),
    }
    return {k: v for k, v in found.items() if v}


def _content(blocks: list[Any]) -> str | list[Any]:
    """Plain text where there is nothing else."""
    if not blocks:
        return ""
    alone = len(blocks) == 1 and blocks[0].get("type") == "text"
    return str(blocks[0]["text"]) if alone else blocks


def _call(part: Mapping[str, Any]) -> dict[str, Any]:
    kind = "tool_call" if isinstance(part.get("arguments"), dict) else "invalid_tool_call"
    return {"name": part.get("name"), "args": part.get("arguments"), "id": part.get("id"),
            "type": kind}  # fmt: skip


def _parsed(blocks: list[Any], options: Mapping[str, Any]) -> dict[str, Any]:
    """OpenAI's structured output is an object beside the text; it is made of the text again."""
    if not options.get("response_format"):
        return {}
    try:
        value = json.loads("".join(str(b.get("text") or "") for b in blocks))
    except ValueError:
        return {}
    return {"parsed": value}


def _usage(tokens: Any) -> UsageMetadata | None:
    given, written = said(tokens, "input"), said(tokens, "output")
    if given is None and written is None:
        return None
    usage = UsageMetadata(
        input_tokens=given or 0, output_tokens=written or 0,
        total_tokens=(given or 0) + (written or 0),
    )  # fmt: skip
    if (read := said(tokens, "cache_read")) is not None:
        usage["input_token_details"] = InputTokenDetails(cache_read=read)
    if (thought := said(tokens, "reasoning")) is not None:
        usage["output_token_details"] = OutputTokenDetails(reasoning=thought)
    return usage


def _meta(answer: Answer) -> dict[str, Any]:
    found = {"model_name": answer.say("model"), "finish_reason": answer.say("finish_reason")}
    return {k: v for k, v in found.items() if v}


def chunks_of(message: AIMessage) -> Iterator[ChatGenerationChunk]:
    """A message in pieces, as a provider streams it: words, then calls and usage."""
    content = message.content
    pieces = _words(content) if isinstance(content, str) else _numbered(content)
    for piece in pieces:
        yield ChatGenerationChunk(message=AIMessageChunk(content=piece, id=message.id))
    calls: list[Any] = [*message.tool_calls, *message.invalid_tool_calls]
    last = AIMessageChunk(
        content="" if isinstance(content, str) else [],
        id=message.id,
        additional_kwargs=message.additional_kwargs,
        tool_call_chunks=[
            tool_call_chunk(name=c["name"], args=_arguments(c["args"]), id=c["id"], index=at)
            for at, c in enumerate(calls, len(content) if isinstance(content, list) else 0)
        ],
        usage_metadata=message.usage_metadata,
        response_metadata=message.response_metadata,
        chunk_position="last",
    )
    yield ChatGenerationChunk(message=last)


def _words(text: str) -> Iterator[Any]:
    at = 0
    while at < len(text):
        end = text.find(" ", at) + 1 or len(text)
        yield text[at:end]
        at = end


def _numbered(blocks: list[Any]) -> Iterator[Any]:
    return ([{**block, "index": at}] for at, block in enumerate(blocks))


def _arguments(given: Any) -> str:
    return given if isinstance(given, str) else json.dumps(given, ensure_ascii=False)


def documents_of(answer: Answer) -> list[Document]:
    """What a retriever found."""
    return [
        Document(
            page_content=str(said(d, "content") or ""),
            id=said(d, "id"),
            metadata=dict(said(d, "metadata") or {}),
        )
        for d in answer.say("documents") or ()
    ]


def result_of(answer: Answer, recording: Recording, call_id: str | None, name: str) -> Any:
    """What a tool gave back; what it raised is raised again as its own class."""
    result = answer.say("result")
    exact = recording.responses.get((loose(answer.place), answer.call_id))
    fault = answer.error
    said_so = fault is not None and fault[0] == _SAID_SO
    if fault is not None and not said_so:
        raise error_of(*fault)
    if call_id and isinstance(exact, str) and (said_so or not isinstance(result, list)):
        result = exact
    if said_so:
        return refusal(call_id, name, result if isinstance(result, str | list) else str(result))
    return result


def refusal(call_id: str | None, name: str, content: Any) -> Any:
    """A tool's message that says of itself that it is an error."""
    if call_id is None:
        raise ToolException(str(content))
    return ToolMessage(content=content, name=name, tool_call_id=call_id, status="error")


def error_of(kind: str, message: str) -> BaseException:
    """A recorded error as its own class, so that rules about classes behave the same.

    It is made without its constructor, which may want more than was recorded.
    """
    cls = _class(kind)
    if cls is None:
        return RuntimeError(f"{kind}: {message}")
    error: BaseException = cls.__new__(cls, message)
    error.args = (message,)
    return error


def _class(kind: str) -> Any:
    """The exception class of that name: a builtin one, or any that is loaded."""
    name = kind.rpartition(".")[2]
    known = getattr(builtins, name, None)
    if isinstance(known, type) and issubclass(known, Exception):
        return known
    if name == "ToolException":
        return ToolException
    waiting: list[Any] = [Exception]
    while waiting:
        cls = waiting.pop()
        if cls.__name__ == name:
            return cls
        waiting.extend(type.__subclasses__(cls))
    return None
