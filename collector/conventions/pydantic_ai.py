"""Pydantic AI, with the event lists and tool names of its first version."""

from collector.convention import Convention
from collector.reading import genai
from collector.reading.arguments import read_arguments, read_result
from collector.reading.content import CHOICE
from collector.reading.draft import Draft
from collector.reading.kinds import set_kind
from collector.reading.messages import message_of, messages_of
from collector.reading.parts import text_part
from collector.reading.values import as_list, as_text
from waypost.records import Json, Kind, Message, RawSpan

_SCOPE = "pydantic-ai"
_ALL = ("pydantic_ai.all_messages", "all_messages_events")


def _matches(span: RawSpan) -> bool:
    if not span.scope_name.startswith(_SCOPE):
        return False
    attributes = span.attributes
    return as_text(attributes.get("gen_ai.operation.name")) is not None or any(
        name in attributes for name in ("gen_ai.tool.name", "agent_name", "events")
    )


def _mark(draft: Draft) -> None:
    word = draft.text("gen_ai.operation.name")
    if word is None:
        word = "agent" if draft.text("agent_name") else None
        word = "execute_tool" if draft.text("gen_ai.tool.name") else word
    set_kind(draft, word)


def _read(draft: Draft) -> None:
    if draft.kind is Kind.LLM:
        _read_events(draft)
    elif draft.kind in (Kind.TOOL, Kind.PLAN, Kind.HANDOFF):
        read_arguments(draft, "tool_arguments")
        read_result(draft, "tool_response")
    elif draft.kind is Kind.AGENT:
        for name in _ALL:
            if name in draft.attributes:
                _read_run(draft, name)
    genai.read(draft)


def _read_run(draft: Draft, name: str) -> None:
    """The whole history stands once more on the agent; its ends are what the run is about."""
    found = messages_of(draft.attributes.get(name))
    asked = tuple(m for m in found if m.role == "user")[:1]
    answered = tuple(m for m in found[-1:] if m.role == "assistant")
    draft.put("input", asked)
    draft.put("output", answered)
    if isinstance(result := draft.get("final_result"), str):
        draft.put("output", (Message("assistant", (text_part(result),)),))
    if found:
        draft.take(name, "final_result")


def _read_events(draft: Draft) -> None:
    asked: list[Message] = []
    answered: list[Message] = []
    for event in as_list(draft.attributes.get("events")):
        if not isinstance(event, dict):
            continue
        if event.get("event.name") == CHOICE:
            inner = event.get("message")
            answered.append(_spoken(inner if isinstance(inner, dict) else event, "assistant"))
        else:
            asked.append(_spoken(event, "user"))
    if draft.put("input", tuple(asked)) | draft.put("output", tuple(answered)):
        draft.take("events")


def _spoken(event: dict[str, Json], role: str) -> Message:
    return message_of(event, role)


CONVENTION = Convention("pydantic_ai", 95, _matches, _mark, _read)
