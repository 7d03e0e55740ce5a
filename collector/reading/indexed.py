"""Lists flattened into attribute names such as `llm.input_messages.3.message.role`."""

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Final

from collector.reading.draft import Draft
from collector.reading.messages import message_of, role_of_word
from collector.reading.parts import Part, call_part, media_part, parts_in, response_part, text_part
from collector.reading.recall import Place
from collector.reading.values import as_text, parsed
from collector.runs import RunAttributes
from waypost.records import Json, Message

_FLAT = re.compile(r"(.*?\.)(\d+)\.(.+)", re.DOTALL)
_INDEX = re.compile(r"0|[1-9]\d{0,3}")
_REFUSED: Final = frozenset({"__proto__", "constructor", "prototype"})

Pairs = list[Json]  # name, value, name, value, …


def split_key(key: str) -> Place:
    """List, index and rest of a flattened name; None when it is not one, or not an honest one."""
    match = _FLAT.match(key)
    if match is None:
        return None
    prefix, index, rest = match.groups()
    if not _INDEX.fullmatch(index) or _REFUSED.intersection(rest.split(".")):
        return None
    return (prefix, int(index)), rest


class Lists:
    """The flattened lists of one span, found in one pass over its attributes."""

    def __init__(self, draft: Draft) -> None:
        self.groups: dict[str, dict[int, Pairs]] = {}
        self.keys: dict[str, list[str]] = {}
        places = draft.recall.places
        last: object = None
        pairs: Pairs = []
        keys: list[str] = []
        for key, value in draft.attributes.items():
            where = places[key] if key in places else draft.recall.place(key, split_key)
            if where is None:
                continue
            if where[0] is not last:  # the fields of one entry come together
                last = where[0]
                prefix, index = where[0]
                pairs = self.groups.setdefault(prefix, {}).setdefault(index, [])
                keys = self.keys.setdefault(prefix, [])
            pairs.append(where[1])
            pairs.append(value)
            keys.append(key)


def lists_of(draft: Draft) -> Lists:
    found = draft.lists
    if not isinstance(found, Lists):
        found = draft.lists = Lists(draft)
    return found


def groups_of(draft: Draft, prefix: str) -> list[Pairs]:
    """The entries of one flattened list in order of their index; missing indices close up."""
    groups = lists_of(draft).groups.get(prefix)
    return [groups[index] for index in sorted(groups)] if groups else []


def take_list(draft: Draft, prefix: str) -> None:
    """A flattened list became a payload."""
    draft.taken.update(lists_of(draft).keys.get(prefix, ()))


def objects_of(draft: Draft, prefix: str, inner: str = "") -> list[dict[str, Json]]:
    """Each entry of a flattened list as an object, without the `inner` that stands before names."""
    return [
        {name.removeprefix(inner): value for name, value in _each(pairs)}
        for pairs in groups_of(draft, prefix)
    ]


def _each(pairs: Pairs) -> Iterator[tuple[str, Json]]:
    names, values = iter(pairs[::2]), iter(pairs[1::2])
    return ((str(name), value) for name, value in zip(names, values, strict=True))


def read_messages(draft: Draft, field: str, prefix: str, inner: str = "message.") -> None:
    """Fill a field with the messages of one flattened list."""
    groups = groups_of(draft, prefix)
    sent = draft.attributes if isinstance(draft.attributes, RunAttributes) else None
    if sent is not None and sent.run.prefix == prefix:
        draft.repeats = False
        if not draft.has(field):
            draft.put(field, _grown(draft, sent, groups, inner))
    elif not groups:
        return
    elif not draft.has(field):
        found = _read_all(draft, groups, inner)
        draft.put(field, tuple(map(_said, found)) if field == "output" else found)
    take_list(draft, prefix)


def _said(message: Message) -> Message:
    """An answer without a role that is known is the model's, not the user's."""
    nobody = message.role in ("user", "unknown")
    return Message("assistant", message.parts) if nobody else message


def _grown(
    draft: Draft, sent: RunAttributes, groups: list[Pairs], inner: str
) -> tuple[Message, ...]:
    """What the trace sent before, as it was read then, and what came new with this span."""
    base = sent.base
    known: tuple[Message, ...] = ()
    if base is not None:
        if base.messages is None:
            base.messages = _read_all(draft, _grouped(base.pairs), inner)
        known = base.messages
    found = known + _read_all(draft, groups, inner)
    sent.run.messages = found
    return found


def _grouped(pairs: Mapping[str, Json]) -> list[Pairs]:
    groups: dict[int, Pairs] = {}
    for key, value in pairs.items():
        place = split_key(key)
        if place is not None:
            groups.setdefault(place[0][1], []).extend((place[1], value))
    return [groups[index] for index in sorted(groups)]


def _read_all(draft: Draft, groups: Iterable[Pairs], inner: str) -> tuple[Message, ...]:
    found: list[Message] = []
    for pairs in groups:
        found += _read_one(draft, pairs, inner)
    return tuple(found)


def _read_one(draft: Draft, pairs: Pairs, inner: str) -> tuple[Message, ...]:
    key = (inner, *pairs, *map(type, pairs))  # 1 and True are equal, and not the same
    try:
        found = draft.recall.known(key)
    except TypeError:  # a value that cannot be looked up, such as a list
        return (_message(pairs, inner),)
    if found is None:
        found = (_message(pairs, inner),)
        size = sum(len(part) for part in pairs if isinstance(part, str))
        draft.recall.keep(key, found, 500 + 2 * size)
    return found


def _message(pairs: Pairs, inner: str) -> Message:
    plain: dict[str, Json] = {}
    lists: dict[str, dict[int, dict[str, Json]]] = {}
    for full, value in _each(pairs):
        name = full.removeprefix(inner)
        head, _, rest = name.partition(".")
        index, _, leaf = rest.partition(".")
        if leaf and _INDEX.fullmatch(index):
            lists.setdefault(head, {}).setdefault(int(index), {})[leaf] = value
        else:
            plain[name] = value
    return _build(plain, {k: [v[i] for i in sorted(v)] for k, v in lists.items()})


def _build(plain: Mapping[str, Json], lists: Mapping[str, list[dict[str, Json]]]) -> Message:
    role = role_of_word(as_text(plain.get("role")) or "user")
    content = plain.get("content", plain.get("text", plain.get("refusal")))
    call_id = plain.get("tool_call_id")
    blocks = lists.get("contents", ()) or lists.get("content", ())
    parts: list[Part] = [p for b in blocks if (p := _content_part(b)) is not None]
    calls = _calls(lists.get("tool_calls", ()))
    spoken = any(p["type"] == "text" for p in parts)
    if role == "thinking" and isinstance(content, str):
        return Message("assistant", ({"type": "reasoning", "content": content},))
    if role == "tool":
        return _tool_message(plain, parts, content, call_id)
    if isinstance(content, str) and content and not spoken:
        parts += parts_in(content)
    parts += [call for call in calls if call not in parts]  # Anthropic's stand among the content
    if name := plain.get("function_call_name"):
        parts.append(call_part(None, name, plain.get("function_call_arguments_json")))
    name = plain.get("name")
    extra = {"name": name} if isinstance(name, str) and role != "assistant" else {}
    return Message(role, tuple(parts), extra)


def _tool_message(
    plain: Mapping[str, Json], parts: list[Part], content: Json, call_id: Json
) -> Message:
    if content is None and parts:
        content = [dict(p) for p in parts]
    named = sorted((n for n in plain if n.startswith("function.")), key=lambda n: (len(n), n))
    answers = [parsed(plain[name]) for name in named]
    if content is None and answers:  # AutoGen gives those to all calls in one message
        return message_of({"role": "tool", "parts": [_answer(a) for a in answers]})
    name = plain.get("name")
    extra = {"name": name} if isinstance(name, str) and name else {}
    return Message("tool", (response_part(call_id, content),), extra)


def _answer(value: Json) -> Json:
    return {"type": "function_call_output", **value} if isinstance(value, dict) else value


def _content_part(block: Mapping[str, Json]) -> Part | None:
    """One `message_content` of OpenInference."""
    flat = {name.removeprefix("message_content."): value for name, value in block.items()}
    kind = as_text(flat.get("type")) or "text"
    text = flat.get("text", flat.get("content"))
    if kind in ("tool_use", "tool_call") or "tool_call.function.name" in flat:
        return next(iter(_calls([flat])))
    if kind in ("reasoning", "thinking") and isinstance(text, str):
        return {"type": "reasoning", "content": text}
    if isinstance(text, str):
        return text_part(text) if text else None
    url = flat.get("image.image.url") or flat.get("image.url") or flat.get("audio.audio.url")
    if isinstance(url, str):
        return media_part(kind, url, None, None)
    return {"type": "unknown", **flat} if len(flat) > 1 else None


def _calls(entries: Iterable[Mapping[str, Json]]) -> list[Part]:
    found = []
    for entry in entries:
        flat = {name.removeprefix("tool_call."): value for name, value in entry.items()}
        name = flat.get("function.name", flat.get("name"))
        arguments = flat.get("function.arguments", flat.get("arguments"))
        found.append(call_part(flat.get("id"), name, arguments))
    return found
