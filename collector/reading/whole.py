"""What a client's flattened copy of an answer leaves out, won back from the answer beside it."""

import re
from typing import Final

from collector.reading.draft import Draft
from collector.reading.messages import messages_of
from waypost.records import Json, Message

# Most answers hold neither; to read them a second time would double the work of the reader.
_LEFT_OUT: Final = re.compile(
    r'"type"\s*:\s*"(?:reasoning|thinking|refusal)"|"(?:reasoning_content|refusal)"\s*:\s*"[^"]'
)
# The models' APIs begin their answers so; a copy of a framework's own state begins otherwise.
_ID: Final = re.compile(r'\s*\{\s*"id"\s*:\s*"([^"\\]{1,200})"')
_MODEL: Final = re.compile(r'"model"\s*:\s*"')
_SAID: Final = re.compile(r'"(?:choices|content|output)"\s*:\s*\[')


def answer_id(value: Json) -> str | None:
    """The id a model's API gave its answer, which tells whether two spans are of one call.

    What a model was to write may be an object with an id as well, such as a product's.
    """
    found = _ID.match(value) if isinstance(value, str) else None
    if found is None:
        return None
    text = found.string
    return found[1] if _MODEL.search(text) and _SAID.search(text) else None


_FAILED: Final = re.compile(r'"is_error"\s*:\s*true|"status"\s*:\s*"error"')


def complete_input(draft: Draft, name: str) -> None:
    """Learn from the whole request which parts of the history are tools' answers, and errors."""
    value = draft.attributes.get(name)
    known: tuple[Message, ...] = draft.fields.get("input", ())
    if not known or not isinstance(value, str):
        return
    answers = [part for m in known for part in m.tool_responses]
    lacks = '"tool_result"' in value and not answers
    lacks = lacks or any(part.get("response") is None for part in answers)
    if not lacks and not _FAILED.search(value):
        return
    whole = messages_of(value)
    if lacks and len(whole) == len(known):  # the flattened copy made mere texts of them
        draft.fields["input"] = whole
    elif lacks and _spoken(whole) == _spoken(known):  # and a message of each of them
        rules = tuple(m for m in known if m.role == "system")
        draft.fields["input"] = rules + tuple(m for m in whole if m.role != "system")
    else:
        _mark_failures(draft, known, whole)


def _spoken(messages: tuple[Message, ...]) -> int:
    return sum(message.role == "assistant" for message in messages)


def _mark_failures(draft: Draft, known: tuple[Message, ...], whole: tuple[Message, ...]) -> None:
    answers = (part for message in whole for part in message.tool_responses)
    failed = {part.get("id") for part in answers if part.get("status") == "error"} - {None}
    if failed:
        draft.fields["input"] = tuple(_marked(message, failed) for message in known)


def _marked(message: Message, failed: set[Json]) -> Message:
    if not any(part.get("id") in failed for part in message.tool_responses):
        return message
    parts = tuple(
        {**p, "status": "error"}
        if p["type"] == "tool_call_response" and p.get("id") in failed
        else p
        for p in message.parts
    )
    return Message(message.role, parts, message.extra)


def complete_output(draft: Draft, *names: str) -> None:
    """Add thoughts, and words where there are none, from the first of these that has them."""
    for name in names:
        value = draft.attributes.get(name)
        if isinstance(value, str) and _may_add(draft, value) and _add(draft, value):
            return


def _may_add(draft: Draft, value: str) -> bool:
    known: tuple[Message, ...] = draft.fields.get("output", ())
    if not all(message.parts for message in known):
        return True  # not even the calls are told
    calls = [call for message in known for call in message.tool_calls]
    return _LEFT_OUT.search(value) is not None or not all(call.get("id") for call in calls)


def _add(draft: Draft, value: Json) -> bool:
    known: tuple[Message, ...] = draft.fields.get("output", ())
    whole = messages_of(value, "assistant")
    if len(known) != len(whole):
        return False
    completed = tuple(map(_completed, known, whole))
    if completed == known:
        return False
    draft.fields["output"] = completed
    return True


def _completed(known: Message, whole: Message) -> Message:
    if not known.parts:
        return Message(known.role, whole.parts, known.extra)
    parts = known.parts
    if len(whole.tool_calls) == len(known.tool_calls):
        named = iter(whole.tool_calls)
        parts = tuple(next(named) if p["type"] == "tool_call" else p for p in parts)
    if not any(part["type"] == "reasoning" for part in parts):
        thoughts = (part for part in whole.parts if part["type"] == "reasoning" and part["content"])
        parts = (*thoughts, *parts)
    return Message(known.role, parts, known.extra)
