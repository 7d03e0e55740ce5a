"""The contrib instrumentation of the OpenAI Agents SDK (agents-v2)."""

from collections.abc import Mapping

from collector.convention import Convention
from collector.reading import genai
from collector.reading.draft import Draft
from collector.reading.kinds import kind_of_word, set_kind
from collector.reading.literal import read_literal
from collector.reading.parts import Part, call_part
from collector.reading.values import as_text
from waypost.records import Json, Kind, Message, RawSpan

_SCOPE = "opentelemetry.instrumentation.openai_agents"
_CALL = "ResponseFunctionToolCall("


def _matches(span: RawSpan) -> bool:
    named = as_text(span.attributes.get("gen_ai.operation.name")) is not None
    if not named or not span.scope_name.startswith(_SCOPE):
        return False
    return "traceloop.span.kind" not in span.attributes and "gen_ai.system" in span.attributes


def _mark(draft: Draft) -> None:
    word = draft.text("gen_ai.operation.name")
    if kind_of_word(word) is None and draft.text("gen_ai.handoff.to_agent"):
        word = "handoff"
    set_kind(draft, word)


def _read(draft: Draft) -> None:
    genai.read(draft)
    if draft.kind is Kind.LLM and draft.has("output"):
        draft.fields["output"] = tuple(_spoken(m) for m in draft.fields["output"])


def _spoken(message: Message) -> Message:
    """The message with the tool calls that came as Python reprs in text parts."""
    parts = tuple(_call(p) or p for p in message.parts)
    return Message(message.role, parts, message.extra)


def _call(part: Mapping[str, Json]) -> Part | None:
    text = part.get("content")
    if not isinstance(text, str) or not text.startswith(_CALL):
        return None
    try:
        found = read_literal(text)
    except ValueError:
        return None
    if not isinstance(found, dict) or not found.get("name"):
        return None
    return call_part(found.get("call_id"), found.get("name"), found.get("arguments"))


CONVENTION = Convention(
    "openai_agents", 96, _matches, _mark, _read, names=frozenset({"gen_ai.operation.name"})
)
