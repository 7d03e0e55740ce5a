"""A tool's arguments without the envelopes clients put around them."""

from collections.abc import Mapping
from typing import Final

from collector.reading.draft import Draft
from collector.reading.literal import read_literal
from collector.reading.results import unwrap
from collector.reading.values import opened, parsed
from waypost.records import Json, Status

_CALL: Final = frozenset({"args", "kwargs", "sanitize_inputs_outputs", "self"})
_RUN: Final = frozenset({"tags", "metadata", "kwargs", "inputs", "run_id", "parent_run_id", "name"})


def read_arguments(draft: Draft, name: str) -> None:
    """Fill the arguments from one attribute; an object whenever one can be had."""
    draft.payload("arguments", name, arguments_of)
    if draft.has("arguments"):
        draft.put("arguments_from", "span")


def arguments_of(value: Json) -> Json:
    """The object of arguments in a value, else the value itself."""
    value = opened(value)
    if isinstance(value, str) and value.startswith(("{", "[")):
        try:
            value = read_literal(value)
        except ValueError:
            return value
    return _opened(value) if isinstance(value, dict) else value


def _opened(value: Mapping[str, Json]) -> Json:
    if "input_str" in value and set(value) - {"input_str"} <= _RUN:
        inputs = value.get("inputs")
        return inputs if isinstance(inputs, dict) and inputs else arguments_of(value["input_str"])
    given = value.get("input")
    if value.keys() == {"input", "options"} and isinstance(given, dict):
        return given  # BeeAI's
    if "kwargs" in value and set(value) <= _CALL:
        return _called(value)
    return dict(value)


def _called(value: Mapping[str, Json]) -> Json:
    """The arguments of a Python call written as `args` and `kwargs`."""
    kwargs, args = value.get("kwargs"), value.get("args")
    if isinstance(kwargs, dict) and kwargs:
        return kwargs
    if isinstance(args, list) and len(args) == 1 and isinstance(args[0], dict):
        return args[0]
    return {"args": args} if args else {}


def only_argument(value: Json) -> Json:
    """What a Python call was given when it was given one thing, else the value itself."""
    value = parsed(value)
    if not isinstance(value, dict) or not {"args", "kwargs"} <= value.keys() <= _CALL:
        return value
    args, kwargs = value["args"], value["kwargs"]
    given = [*args] if isinstance(args, list) else []
    given += kwargs.values() if isinstance(kwargs, dict) else ()
    return given[0] if len(given) == 1 else value


def read_result(draft: Draft, name: str) -> None:
    """Fill the result from one attribute, and what its envelopes say of failure and call id."""
    draft.payload("result", name, lambda value: set_result(draft, value))


def read_tool(draft: Draft, call_id: str, given: str, got: str) -> None:
    """A tool call from its usual attributes: the name, the call's id, what went in and came out."""
    draft.put("tool", draft.text("gen_ai.tool.name") or draft.span.name)
    draft.put("call_id", draft.text(call_id))
    read_arguments(draft, given)
    read_result(draft, got)


def set_result(draft: Draft, value: Json) -> Json:
    found = unwrap(value)
    if found.failed:
        draft.put("status", Status.ERROR)
    draft.put("call_id", found.call_id)
    return found.value
