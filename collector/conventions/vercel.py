"""The Vercel AI SDK."""

from collections.abc import Mapping

import orjson

from collector.convention import Convention
from collector.reading.arguments import read_arguments, read_result
from collector.reading.draft import Draft
from collector.reading.kinds import set_kind
from collector.reading.messages import messages_of
from collector.reading.model import definitions_of, finish, milliseconds
from collector.reading.parts import Part, call_part, text_part
from collector.reading.values import as_list, parsed
from waypost.records import Json, Kind, Message, RawSpan

_AGENTS = (
    "ai.generateText", "ai.streamText", "ai.generateObject", "ai.streamObject", "ai.agent",
)  # fmt: skip
_CALLS = (".doGenerate", ".doStream")
_SETTINGS = {
    "ai.settings.temperature": "temperature", "ai.settings.maxTokens": "max_tokens",
    "ai.settings.maxOutputTokens": "max_tokens", "ai.settings.topP": "top_p",
    "ai.settings.topK": "top_k", "ai.settings.seed": "seed",
}  # fmt: skip


def _matches(span: RawSpan) -> bool:
    return "ai.operationId" in span.attributes


def _word(operation: str) -> str | None:
    if operation.startswith("ai.toolCall"):
        return "tool"
    if operation.endswith(_CALLS):
        return "chat"
    if operation.endswith((".doEmbed", ".doRerank")):
        return "embedding"
    return "agent" if operation in _AGENTS else "chain"


def _mark(draft: Draft) -> None:
    operation = draft.text("ai.operationId") or ""
    set_kind(draft, _word(operation))
    if draft.kind is not Kind.RETRIEVAL:
        draft.fields["operation"] = operation


def _read(draft: Draft) -> None:
    if draft.kind is Kind.LLM:
        _read_model(draft)
    elif draft.kind in (Kind.TOOL, Kind.PLAN, Kind.HANDOFF):
        draft.put("tool", draft.text("ai.toolCall.name"))
        draft.put("call_id", draft.text("ai.toolCall.id"))
        for name in ("ai.toolCall.args", "ai.toolCall.input"):
            read_arguments(draft, name)
        for name in ("ai.toolCall.result", "ai.toolCall.output"):
            read_result(draft, name)
    elif draft.kind is Kind.AGENT:
        draft.payload("input", "ai.prompt", _prompt)
        _read_output(draft)
        draft.put("agent", draft.text("ai.telemetry.functionId", "resource.name"))
    draft.shorten("ai.prompt", "ai.prompt.messages", "ai.response.text", "ai.response.object")


def _read_model(draft: Draft) -> None:
    get = draft.attributes.get
    draft.put("provider", draft.text("gen_ai.system", "ai.model.provider"))
    draft.put("model_requested", draft.text("gen_ai.request.model", "ai.model.id"))
    draft.put("model", draft.text("ai.response.model", "gen_ai.response.model"))
    draft.put("response_id", draft.text("ai.response.id"))
    draft.put("finish_reason", finish(get("ai.response.finishReason")))
    draft.put("params", {to: v for key, to in _SETTINGS.items() if (v := get(key)) is not None})
    draft.put("ttft", milliseconds(get("ai.response.msToFirstChunk")))
    draft.messages("input", "ai.prompt.messages", messages_of)
    draft.payload("tools", "ai.prompt.tools", definitions_of)
    _read_output(draft)
    draft.count("input", get("ai.usage.inputTokens"), get("ai.usage.promptTokens"))
    draft.count("output", get("ai.usage.outputTokens"), get("ai.usage.completionTokens"))
    draft.count(
        "cache_read", get("ai.usage.cachedInputTokens"),
        get("ai.usage.inputTokenDetails.cacheReadTokens"),
    )  # fmt: skip
    draft.count("cache_write", get("ai.usage.inputTokenDetails.cacheWriteTokens"))
    draft.count(
        "reasoning", get("ai.usage.reasoningTokens"),
        get("ai.usage.outputTokenDetails.reasoningTokens"),
    )  # fmt: skip


def _prompt(value: Json) -> tuple[Message, ...]:
    value = parsed(value)
    if not isinstance(value, dict):
        return messages_of(value)
    found: list[Message] = []
    if isinstance(value.get("system"), str):
        found.append(Message("system", (text_part(str(value["system"])),)))
    return (*found, *messages_of(value.get("messages") or value.get("prompt")))


def _read_output(draft: Draft) -> None:
    get = draft.attributes.get
    parts: list[Part] = []
    thought = get("ai.response.reasoning")
    if isinstance(thought, str) and thought:
        parts.append({"type": "reasoning", "content": thought})
    text = get("ai.response.text") or get("ai.response.object")
    if isinstance(text, dict | list) and text:
        text = orjson.dumps(text).decode()
    if isinstance(text, str) and text:
        parts.append(text_part(text))
    calls = [c for c in as_list(get("ai.response.toolCalls")) if isinstance(c, dict)]
    parts += [_call(call) for call in calls]
    if parts and draft.put("output", (Message("assistant", tuple(parts)),)):
        draft.take(
            "ai.response.text", "ai.response.object", "ai.response.toolCalls",
            "ai.response.reasoning",
        )  # fmt: skip


def _call(call: Mapping[str, Json]) -> Part:
    arguments = call.get("input", call.get("args"))
    return call_part(call.get("toolCallId"), call.get("toolName"), arguments)


CONVENTION = Convention("vercel", 30, _matches, _mark, _read, names=frozenset({"ai.operationId"}))
