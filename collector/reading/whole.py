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


def complete_output(draft: Draft, *names: str) -> None:
    """Add thoughts, and words where there are none, from the first of these that has them."""
    for name in names:
        value = draft.attributes.get(name)
        if isinstance(value, str) and _LEFT_OUT.search(value) and _add(draft, value):
            return


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
    if any(part["type"] == "reasoning" for part in known.parts):
        return known
    thoughts = (part for part in whole.parts if part["type"] == "reasoning" and part["content"])
    return Message(known.role, (*thoughts, *known.parts), known.extra)
