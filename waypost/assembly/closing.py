"""A call that closed its run: its arguments are the answer, and nobody has to give another."""

import json
from collections.abc import Mapping, Sequence

from waypost.assembly.tree import Node, is_scope
from waypost.records import Json, Message


def closed_with(owner: Node, part: Mapping[str, Json]) -> Mapping[str, Json] | None:
    """What the run above a model's call says of it at its end; None when the call is open."""
    said = _said_above(owner)
    for message in said:
        for answer in message.tool_responses:
            if answer.get("id") and answer.get("id") == part.get("id"):
                return answer
    text = "".join(m.text for m in said if not m.tool_calls)
    return {} if _holds(text, part.get("arguments")) else None


def _said_above(owner: Node) -> Sequence[Message]:
    above = owner.parent
    while above is not None:
        if is_scope(above) and above.get("output"):
            found: Sequence[Message] = above.get("output")
            return found
        above = above.parent
    return ()


def _holds(text: str, arguments: Json) -> bool:
    """Whether a structured answer is what a call was given, with or without its one name."""
    if not text or not isinstance(arguments, dict) or not arguments:
        return False
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        return False
    if isinstance(found, dict) and arguments.keys() <= found.keys():
        return True
    return len(arguments) == 1 and found in arguments.values()
