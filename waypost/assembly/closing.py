"""A call that closed its run: its arguments are the answer, and nobody has to give another."""

import json
from collections.abc import Mapping, Sequence

from waypost.assembly.tree import Node, is_scope
from waypost.records import Json, Message


class Closing:
    """What the run above a model's step says at its end of the calls in that step."""

    def __init__(self, owner: Node) -> None:
        said = _said_above(owner)
        answers = [answer for message in said for answer in message.tool_responses]
        self._answers = {str(a["id"]): a for a in reversed(answers) if a.get("id")}
        self._form = _form(owner)
        self._said = _value_in("".join(m.text for m in said if not m.tool_calls))

    def of(self, part: Mapping[str, Json]) -> Mapping[str, Json] | None:
        """The answer to a call, an empty one if the run ended with it; None when it is open."""
        if (answer := self._answers.get(str(part.get("id")))) is not None:
            return answer
        if self._form is not None and part.get("name") == self._form:
            return {}
        return {} if _ends_with(self._said, part.get("arguments")) else None


def _form(owner: Node) -> str | None:
    """The one tool a model had and had to call: a form to fill, as structured answers are asked
    for. One that it had to call among others is a tool that somebody runs."""
    choice = owner.get("params").get("tool_choice")
    if not isinstance(choice, dict) or len(owner.get("tools") or ()) > 1:
        return None
    inner = choice.get("function", choice)
    name = inner.get("name") if isinstance(inner, dict) else None
    return name if isinstance(name, str) else None


def _said_above(owner: Node) -> Sequence[Message]:
    above = owner.parent
    while above is not None:
        if is_scope(above) and above.get("output"):
            found: Sequence[Message] = above.get("output")
            return found
        above = above.parent
    return ()


def _value_in(text: str) -> Json:
    try:
        found: Json = json.loads(text) if text else None
    except (ValueError, RecursionError):
        return None
    return found


def _ends_with(said: Json, arguments: Json) -> bool:
    """Whether a structured answer is what a call was given, with or without its one name."""
    if said is None or not isinstance(arguments, dict) or not arguments:
        return False
    alone = next(iter(arguments.values())) if len(arguments) == 1 else arguments
    return _is_within(arguments, said) or _is_within(alone, said)


def _is_within(given: Json, said: Json) -> bool:
    """Whether a value says again what was given; schemas add defaults, and make texts numbers."""
    if isinstance(given, dict):
        return isinstance(said, dict) and all(
            name in said and _is_within(value, said[name]) for name, value in given.items()
        )
    if isinstance(given, list):
        return (
            isinstance(said, list) and len(given) == len(said) and all(map(_is_within, given, said))
        )
    if isinstance(said, dict | list):
        return False
    return given == said or str(given).lower() == str(said).lower()
