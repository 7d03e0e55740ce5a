"""Messages that come as events, on the span or as log records, in the old names and the new."""

from collections.abc import Iterator, Mapping
from typing import Final

from collector.reading.arguments import arguments_of, set_result
from collector.reading.draft import Draft
from collector.reading.messages import answers_of, finish_of, is_message, message_of, messages_of
from collector.reading.model import definitions_of, finish, instructions_of
from collector.reading.parts import parts_of
from collector.reading.values import as_dict, parsed
from waypost import names
from waypost.records import Content, Event, Json, Kind, LogRecord, Message

DETAILS: Final = "gen_ai.client.inference.operation.details"
EXCEPTION: Final = "gen_ai.client.operation.exception"
CHOICE: Final = "gen_ai.choice"
_ROLES: Final[Mapping[str, str]] = {
    "gen_ai.system.message": "system", "gen_ai.user.message": "user",
    "gen_ai.assistant.message": "assistant", "gen_ai.tool.message": "tool",
    "gen_ai.content.prompt": "user",
}  # fmt: skip
_OUTPUTS: Final = (CHOICE, "gen_ai.content.completion")
_BLOCKS: Final = frozenset(
    {"text", "toolUse", "toolResult", "image", "document", "video", "reasoningContent",
     "cachePoint", "guardContent", "citationsContent", "json"}
)  # fmt: skip
NAMES: Final = frozenset({DETAILS, *_OUTPUTS, *_ROLES})
_ERROR_CODE: Final = 2
_TOOLS: Final = (Kind.TOOL, Kind.PLAN, Kind.HANDOFF)

Found = Iterator[tuple[str, Message]]


def read_events(draft: Draft) -> None:
    """Fill input and output, or arguments and result, from the content events of a span."""
    found = [(i, e) for i, e in enumerate(draft.span.events) if e.name in NAMES]
    if not found:
        return
    draft.read_events.update(i for i, _ in found)
    events = [e for _, e in found]
    if draft.kind in _TOOLS:
        _read_tool_events(draft, events)
    elif draft.kind in (Kind.LLM, Kind.AGENT):
        _read_model_events(draft, events)


def _read_tool_events(draft: Draft, events: list[Event]) -> None:
    for event in events:
        if event.name == "gen_ai.tool.message":
            if draft.put("arguments", arguments_of(event.attributes.get("content"))):
                draft.put("arguments_from", "span")
        elif event.name in _OUTPUTS and not draft.has("result"):
            draft.put("result", set_result(draft, event.attributes.get("message")))
        elif event.name == DETAILS:
            _read_tool_details(draft, event.attributes)


def _read_tool_details(draft: Draft, attributes: Mapping[str, Json]) -> None:
    """Strands tells of a tool in messages: its call is the input, its answer the output."""
    for message in messages_of(attributes.get(names.INPUT)):
        for part in message.tool_calls:
            draft.put("call_id", part.get("id"))
            if draft.put("arguments", arguments_of(part.get("arguments"))):
                draft.put("arguments_from", "span")
    for message in messages_of(attributes.get(names.OUTPUT)):
        for part in message.tool_responses:
            draft.put("call_id", part.get("id"))
            # A failed tool has none: what the model is told then is the error once more.
            if not draft.has("result") and draft.span.status_code != _ERROR_CODE:
                draft.put("result", set_result(draft, part.get("response")))


def _read_model_events(draft: Draft, events: list[Event]) -> None:
    sides: dict[str, list[Message]] = {"input": [], "output": []}
    for event in events:
        if event.name == DETAILS:
            _read_definitions(draft, event.attributes)
        for side, message in _messages(event.name, event.attributes):
            sides[side].append(message)
    for side, messages in sides.items():
        draft.put(side, tuple(messages))
    for event in reversed(events):
        told = event.attributes.get("finish_reason")
        draft.put("finish_reason", finish(told or finish_of(event.attributes.get(names.OUTPUT))))


def _read_definitions(draft: Draft, attributes: Mapping[str, Json]) -> None:
    draft.put("system", instructions_of(attributes.get("gen_ai.system_instructions")))
    draft.put("tools", definitions_of(attributes.get("gen_ai.tool.definitions")))


def _messages(name: str, body: Mapping[str, Json]) -> Found:
    if name == DETAILS:
        for message in messages_of(body.get(names.INPUT)):
            yield "input", message
        for message in answers_of(body.get(names.OUTPUT)):
            yield "output", message
    elif name in _OUTPUTS:
        yield "output", _choice(body)
    elif name in _ROLES:
        yield "input", _message(body, _ROLES[name])


def _choice(body: Mapping[str, Json]) -> Message:
    inner = body.get("message", body.get("gen_ai.completion", body.get("content")))
    if isinstance(inner, str):
        inner = _blocks(inner)
    if isinstance(inner, str) and is_message(told := parsed(inner)):
        inner = told  # a map, made a text by an exporter that knows none
    if isinstance(inner, dict):
        return message_of({"role": "assistant", **inner}, "assistant")
    calls = parsed(body.get("tool_calls"))
    whole = message_of({"role": "assistant", "tool_calls": calls}, "assistant")
    return Message("assistant", (*parts_of(inner), *whole.parts))


def _message(body: Mapping[str, Json], role: str) -> Message:
    content = body.get("content", body.get("gen_ai.prompt"))
    if isinstance(content, str):
        content = _blocks(content, only="toolResult" if role == "tool" else None)
    found = {**body, "role": role, "content": content, "tool_calls": parsed(body.get("tool_calls"))}
    return message_of(found, role)


def _blocks(text: str, only: str | None = None) -> Json:
    """The blocks in a text that is a list of them; a result that looks alike stays text."""
    if not text.startswith("[{"):
        return text
    value = parsed(text)
    if not isinstance(value, list):
        return text
    fits = all(isinstance(b, dict) and b and set(b) <= _BLOCKS for b in value)
    if only is not None:
        fits = fits and all(isinstance(b, dict) and only in b for b in value)
    return value if fits else text


def contents_of(record: LogRecord) -> list[Content]:
    """What a log record says of its span's messages; the order is kept in the times."""
    if record.trace_id is None or record.span_id is None:
        return []
    body = as_dict(record.body)
    whole = {**record.attributes, **body}
    found = list(_messages(record.event_name, whole))
    if record.event_name == DETAILS:
        found += _definitions(whole)
    elif record.event_name == EXCEPTION:
        found.append(("error", Message("error", ({"type": "exception", **record.attributes},))))
    return [
        Content(record.trace_id, record.span_id, record.at + i, side, message)
        for i, (side, message) in enumerate(found)
    ]


def _definitions(body: Mapping[str, Json]) -> list[tuple[str, Message]]:
    found = []
    system = instructions_of(body.get("gen_ai.system_instructions"))
    if system:
        found.append(("system", Message("system", tuple(p for p in system if isinstance(p, dict)))))
    tools = definitions_of(body.get("gen_ai.tool.definitions"))
    if tools:
        found.append(("tools", Message("tools", tuple(t for t in tools if isinstance(t, dict)))))
    return found
