"""Messages from every shape vendors give them."""

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Final

from collector.reading.literal import read_fields, read_literal
from collector.reading.parts import (
    Part,
    call_part,
    has_failed,
    is_plain_parts,
    opened_parts,
    parts_of,
    response_part,
)
from collector.reading.values import as_dict, as_text, parsed
from waypost.records import Json, Message

_ROLES: Final[Mapping[str, str]] = {
    "human": "user", "humanmessage": "user", "humanmessagechunk": "user",
    "ai": "assistant", "aimessage": "assistant", "aimessagechunk": "assistant",
    "model": "assistant", "bot": "assistant",
    "systemmessage": "system", "toolmessage": "tool", "functionmessage": "tool",
    "function": "tool", "toolmessagechunk": "tool",
    "tool-call": "assistant", "tool-response": "tool",
}  # fmt: skip
_MESSAGE_TYPES: Final = frozenset(_ROLES) - {"function", "tool-call", "tool-response"} | {
    "system",
    "tool",
    "chat",
    "user",
}
_SPEAKERS: Final = ("user", "human", "assistant", "ai", "system")
# No sets: what a sender calls a type may be a list, which cannot be looked up in one.
_ITEM_TYPES: Final = ("message", "function_call", "function_call_output", "reasoning")
_CALL_TYPES: Final = ("tool_use", "tool_call", "tool-call", "function_call")
_HOLDERS: Final = (
    "messages", "input_messages", "contents", "generations", "choices", "candidates",
    "output_messages",
    "outputs", "output", "response", "update", "inputs", "input", "request",
)  # fmt: skip
_ANSWERS: Final = ("generations", "choices", "candidates", "output", "outputs", "replies")
# Haystack's names for lists of messages; anybody's request may have such a list of something else.
_THREADS: Final = ("replies", "tool_messages")
_FINISH_HOLDERS: Final = (
    "choices", "candidates", "generations", "generation_info", "message", "kwargs",
    "response_metadata",
)  # fmt: skip
_CHAT_MESSAGE: Final = "ChatMessage("
# How Python shows what has no repr of its own, such as a stream.
_OBJECT: Final = re.compile(r"<[\w.]+ object at 0x[0-9a-fA-F]+>")
_DEPTH: Final = 8
_PLAIN_NAMES: Final = frozenset({"role", "parts", "finish_reason"})
_PLAIN_ROLES: Final = frozenset({"user", "assistant", "system", "tool"})


def messages_of(value: Json, role: str = "user") -> tuple[Message, ...]:
    """Every message found in a value; `role` is given to bare texts and blocks."""
    value = parsed(value)
    if isinstance(value, list) and value and all(map(_is_plain, value)):
        return tuple([Message(m["role"], tuple(m["parts"])) for m in value])  # type: ignore[call-overload,index,arg-type]  # seen to be so
    return tuple(_found(value, role, 0))


def answers_of(value: Json) -> tuple[Message, ...]:
    """A model's output, without the pieces of a stream that its last message holds together."""
    value = parsed(value)
    if not isinstance(value, list):
        return messages_of(value, "assistant")
    pieces: list[Json] = [m for m in value if _is_piece(m)]
    if not pieces or len(pieces) == len(value):
        return messages_of(value, "assistant")
    whole = messages_of([m for m in value if not _is_piece(m)], "assistant")
    told = _words(messages_of(pieces, "assistant")) in _words(whole)
    return whole if told else messages_of(value, "assistant")


def _is_piece(value: Json) -> bool:
    return isinstance(value, dict) and value.get("finish_reason") == ""


def _words(messages: Iterable[Message]) -> str:
    """All that is said in messages; a stream's pieces break it anywhere."""
    texts = (p.get("content") for m in messages for p in m.parts if p.get("type") == "text")
    return "".join(text for text in texts if isinstance(text, str))


def _is_plain(value: Json) -> bool:
    """Whether a message has the GenAI shape already, so that nothing in it needs to be changed."""
    if not isinstance(value, dict) or not value.keys() <= _PLAIN_NAMES:
        return False
    role, parts = value.get("role"), value.get("parts")
    if not isinstance(role, str) or not isinstance(parts, list):
        return False
    return role in _PLAIN_ROLES and is_plain_parts(parts)


def _found(value: Json, role: str, depth: int) -> Iterator[Message]:
    if depth > _DEPTH or value is None:
        return
    if isinstance(value, str):
        yield from _of_text(value, role)
    elif isinstance(value, list):
        yield from _of_list(value, role, depth)
    elif isinstance(value, dict):
        yield from _of_object(value, role, depth)


def _of_text(value: str, role: str) -> Iterator[Message]:
    fields = _record_in(value)
    if fields:
        guess = "tool" if "tool_call_id" in fields else role
        yield message_of({"role": guess, **fields})
    elif value and not _OBJECT.fullmatch(value):
        yield Message(role, tuple(parts_of(value)))


def _record_in(text: str) -> Mapping[str, Json]:
    """The fields of a message's repr: of LangChain, AutoGen or Haystack."""
    if text.startswith("content="):
        return read_fields(text)
    if text.startswith("id=") and _says(text):
        fields = read_fields(text)
        return {"content": fields["content"]} if "content" in fields else {}
    if not text.startswith(_CHAT_MESSAGE):
        return {}
    try:
        fields = as_dict(read_literal(text))
    except ValueError:
        return {}
    if "_content" not in fields:
        return {}
    return {"role": fields.get("_role"), "content": fields["_content"]}


def _says(text: str) -> bool:
    """Whether a repr names a source and a content; by finds, since texts are long and hostile."""
    source = text.find(" source='")
    end = text.find("'", source + len(" source='")) if source >= 0 else -1
    return end >= 0 and max(text.find(f" content={quote}", end) for quote in "'\"") >= 0


def _of_list(value: list[Json], role: str, depth: int) -> Iterator[Message]:
    if not value:
        return
    value = _listed(value)
    if _is_pair(value) and depth:
        yield message_of({"role": value[0], "content": value[1]})
    elif _holds_messages(value[0]):
        for item in value:
            yield from _found(item, role, depth + 1)
    else:
        yield Message(role, tuple(parts_of(value)))


def _listed(value: list[Json]) -> list[Json]:
    """The messages in a list of JSON texts, as an attribute that may only hold texts has them."""
    if not isinstance(value[0], str) or not value[0].startswith("{"):
        return value
    found = [parsed(item) for item in value]
    return found if all(map(is_message, found)) else value


def _is_pair(value: list[Json]) -> bool:
    """LangChain's short way to write a message: who speaks, and what."""
    who = value[0]
    return len(value) == 2 and isinstance(who, str) and who in _SPEAKERS and value[1] is not None


def _holds_messages(first: Json) -> bool:
    if isinstance(first, dict):
        return is_message(first) or not _is_block(first)
    return isinstance(first, list) or (isinstance(first, str) and bool(_record_in(first)))


def _is_block(value: Mapping[str, Json]) -> bool:
    if isinstance(value.get("message"), dict) or isinstance(value.get("output"), list):
        return False  # a whole response, which may have a type and settings of its text as well
    return any(name in value for name in ("type", "text", "toolUse", "toolResult"))


def is_message(value: Json) -> bool:
    """Whether an object is one message rather than a part of one or a holder of several."""
    if not isinstance(value, dict):
        return False
    if isinstance(value.get("role"), str):
        return True
    if isinstance(value.get("kwargs"), dict):
        return "args" not in value  # with them it is a Python call, not LangChain's envelope
    kind = value.get("type")
    if not isinstance(kind, str):
        return False
    if kind in _ITEM_TYPES and ("call_id" in value or "summary" in value or "role" in value):
        return True
    return kind.lower() in _MESSAGE_TYPES and ("content" in value or "data" in value)


def _is_thread(value: Json) -> bool:
    found = parsed(value)
    return isinstance(found, list) and all(map(is_message, found))


def _of_object(value: dict[str, Json], role: str, depth: int) -> Iterator[Message]:
    if is_message(value):
        yield message_of(value, role)
        return
    inner = value.get("message")
    if not isinstance(inner, dict) and _holds_parts(value.get("content")):
        inner = value["content"]  # one of Gemini's candidates
    if isinstance(inner, dict):
        yield message_of(inner, "assistant")
        return
    for name in (*_HOLDERS, *_THREADS):
        if value.get(name) and (name not in _THREADS or _is_thread(value[name])):
            guess = "assistant" if name in _ANSWERS else role
            yield from _found(parsed(value[name]), guess, depth + 1)
            return
    if "content" in value or "tool_calls" in value or "parts" in value:
        yield message_of(value, role)
    elif isinstance(value.get("text"), str) or _is_block(value):
        yield Message(role, tuple(parts_of(value)))


def _holds_parts(content: Json) -> bool:
    return isinstance(content, dict) and isinstance(content.get("parts"), list)


def message_of(value: Mapping[str, Json], role: str = "user") -> Message:
    """One message from one object."""
    value = _bare(value)
    given = value.get("parts")
    spoken = _role_of(value, role)
    if isinstance(given, list):
        parts = parts_of(given)
        said = opened_parts(parts) if spoken == "assistant" else parts
        return Message(spoken, tuple(said), _extra(value, spoken))
    if value.get("type") in _ITEM_TYPES and value.get("content") is None:
        return _responses_item(value)
    found = _reasoning_of(value)
    content = value.get("content")
    if spoken == "tool" and not _holds_results(content):
        call_id = value.get("tool_call_id") or value.get("id")
        answer = response_part(call_id, content, failed=has_failed(value))
        return Message("tool", (*found, answer), _extra(value, spoken))
    spoken_parts = parts_of(content) or parts_of(_refusal_of(value))
    whole = (*found, *spoken_parts, *_calls_of(value, content))
    return Message(spoken, whole, _extra(value, spoken))


def _bare(value: Mapping[str, Json]) -> Mapping[str, Json]:
    """A LangChain message without its envelope; only its fields are looked at."""
    inner = value.get("kwargs")
    if isinstance(inner, dict):
        names = value.get("id")
        kind = names[-1] if isinstance(names, list) and names else None
        return {"type": kind, **inner} if isinstance(kind, str) else inner
    inner = value.get("data")
    if isinstance(inner, dict) and isinstance(value.get("type"), str):
        return {**inner, "type": value["type"]}
    return value


def _role_of(value: Mapping[str, Json], role: str) -> str:
    spoken = value.get("role")
    if not isinstance(spoken, str) or not spoken:
        kind = value.get("type")
        known = isinstance(kind, str) and kind.lower() in _MESSAGE_TYPES
        spoken = str(kind) if known else role
    return role_of_word(spoken)


def role_of_word(word: str) -> str:
    """The GenAI role a maker's word stands for."""
    return _ROLES.get(word.lower(), word)


def _extra(value: Mapping[str, Json], role: str) -> dict[str, Json]:
    """The speaker's name; an assistant's is the agent's, and would make equal messages differ."""
    name = value.get("name")
    return {"name": name} if isinstance(name, str) and name and role != "assistant" else {}


def _holds_results(content: Json) -> bool:
    if not isinstance(content, list) or not content:
        return False
    first = content[0]
    return isinstance(first, dict) and (
        first.get("type") in ("tool-result", "tool_result", "tool_call_response")
        or "toolResult" in first
        or "tool_call_result" in first
        or {"result", "origin"} <= first.keys()
    )


def _reasoning_of(value: Mapping[str, Json]) -> list[Part]:
    text = value.get("reasoning_content") or value.get("reasoning")
    return [{"type": "reasoning", "content": text}] if isinstance(text, str) and text else []


def _refusal_of(value: Mapping[str, Json]) -> Json:
    more = value.get("additional_kwargs")
    return value.get("refusal") or (more.get("refusal") if isinstance(more, dict) else None)


def _calls_of(value: Mapping[str, Json], content: Json) -> Iterator[Part]:
    calls = value.get("tool_calls")
    if not isinstance(calls, list) or not calls:
        more = value.get("additional_kwargs")
        calls = more.get("tool_calls") if isinstance(more, dict) else None
    if not isinstance(calls, list) or _has_calls(content):
        calls = []
    for call in calls:
        if isinstance(call, dict):
            yield _call_of(call)
    legacy = value.get("function_call")
    if isinstance(legacy, dict):
        yield call_part(None, legacy.get("name"), legacy.get("arguments"))


def _has_calls(content: Json) -> bool:
    """Content of Anthropic and of the Responses API repeats the calls LangChain lists apart."""
    return isinstance(content, list) and any(
        isinstance(block, dict) and block.get("type") in _CALL_TYPES for block in content
    )


def _call_of(call: Mapping[str, Json]) -> Part:
    function = call.get("function")
    inner = function if isinstance(function, dict) else call
    arguments = next((inner[k] for k in ("arguments", "args", "input") if k in inner), None)
    return call_part(call.get("id") or call.get("toolCallId"), inner.get("name"), arguments)


def _responses_item(value: Mapping[str, Json]) -> Message:
    role = "tool" if value.get("type") == "function_call_output" else "assistant"
    return Message(role, tuple(parts_of([dict(value)])))


def split_definitions(value: Json) -> tuple[Json, list[Json]]:
    """A list of messages without the tool definitions that Langfuse mixes in, and those."""
    if isinstance(value, dict) and isinstance(value.get("messages"), list):
        return split_definitions(value["messages"])
    if not isinstance(value, list):
        return value, []
    rest: list[Json] = []
    found: list[Json] = []
    for item in value:
        content = None
        if isinstance(item, dict) and item.get("role") == "tool":
            content = parsed(item.get("content"))
        if (
            isinstance(content, dict)
            and content.get("type") == "function"
            and "function" in content
        ):
            found.append(content)
        else:
            rest.append(item)
    return rest, found


def finish_of(value: Json) -> str | None:
    """The finish reason in an output, wherever LangChain and OpenAI put it."""
    value = parsed(value)
    for _ in range(_DEPTH):
        while isinstance(value, list):  # LangChain's generations are lists in a list
            value = value[0] if value else None
        if not isinstance(value, dict):
            return None
        for name in ("finish_reason", "finishReason", "stop_reason"):
            if found := as_text(value.get(name)):
                return found
        if value.get("object") == "response":
            return _finish_of_response(value)
        value = next((value[k] for k in _FINISH_HOLDERS if value.get(k)), None)
    return None


def _finish_of_response(value: Mapping[str, Json]) -> str | None:
    """An answer of the Responses API is completed, or says what cut it short."""
    why = value.get("incomplete_details")
    reason = why.get("reason") if isinstance(why, dict) else None
    return as_text(reason) or as_text(value.get("status"))
