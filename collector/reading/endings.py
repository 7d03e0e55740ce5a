"""What a run ended with, in the output of the span around it."""

from typing import Final

import orjson

from collector.reading.messages import messages_of
from collector.reading.parts import text_part
from collector.reading.values import parsed
from waypost.records import Json, Message

_STRUCTURED: Final = "structured_response"
_LONGEST: Final = 2_048
_ASKED: Final = ("input", "inputs", "request")  # a chain's state begins with what it was given


def ending_of(value: Json) -> tuple[Message, ...]:
    """The structured answer in a graph's state, its last message, or a small object as it is."""
    value = parsed(value)
    if isinstance(value, dict) and isinstance(value.get(_STRUCTURED), dict | list):
        return _written(value[_STRUCTURED])
    if isinstance(value, dict):
        value = {name: item for name, item in value.items() if name not in _ASKED}
    found = messages_of(value, "assistant")[-1:]
    if found or not isinstance(value, dict) or "__interrupt__" in value:
        return found
    return _written(value["output"] if value.keys() == {"output"} else value)


def _written(answer: Json) -> tuple[Message, ...]:
    if not answer or not isinstance(answer, dict | list):
        return ()
    text = orjson.dumps(answer).decode()
    return (Message("assistant", (text_part(text),)),) if len(text) <= _LONGEST else ()
