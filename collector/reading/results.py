"""A tool's result without the envelopes clients put around it."""

from dataclasses import dataclass
from typing import Final

from collector.reading.literal import read_fields, read_literal
from collector.reading.parts import has_failed
from collector.reading.values import as_text, parsed
from waypost.records import Json

_TIMES: Final = 6
_ENVELOPE: Final = frozenset(
    {"content", "additional_kwargs", "response_metadata", "type", "name", "id", "tool_call_id",
     "artifact", "status", "is_error", "role", "isError", "structuredContent", "_meta"}
)  # fmt: skip
# What only an envelope has beside its content.
_TELLING: Final = frozenset({"type", "status", "tool_call_id", "isError"})
_MESSAGE: Final = "ToolMessage("
_TEXT: Final = frozenset({"type", "text", "block_type"})


@dataclass(slots=True)
class Result:
    """What a tool gave back, and what its envelopes said on the way."""

    value: Json
    failed: bool = False
    call_id: str | None = None


def unwrap(value: Json) -> Result:
    """The bare result, a failure and a call id if an envelope names them."""
    found = Result(value)
    for _ in range(_TIMES):
        opened = _opened(found)
        if opened is found.value or opened == found.value:
            break
        found.value = opened
    return found


def _opened(found: Result) -> Json:
    value = found.value
    if isinstance(value, str):
        return _opened_text(value, found)
    if isinstance(value, list):
        return _opened_list(value)
    if isinstance(value, dict):
        return _opened_object(value, found)
    return value


def _opened_text(value: str, found: Result) -> Json:
    if value.startswith("content="):
        fields = read_fields(value)
        if "content" in fields:
            return _envelope(fields, found)
    if value.startswith("status="):
        return _outcome(value, found)
    if value.startswith(("{'", "[{'", "['", _MESSAGE)):
        try:
            return read_literal(value)
        except ValueError:
            return value
    return parsed(value)


def _outcome(value: str, found: Result) -> Json:
    """What is in the repr of a call's outcome, as Agno has it; another text stays as it is."""
    fields = read_fields(value)
    if not {"status", "result", "error"} <= fields.keys():
        return value
    found.failed = found.failed or fields["status"] in ("failure", "failed", "error")
    return fields["error"] if fields["result"] is None else fields["result"]


def _opened_list(value: list[Json]) -> Json:
    if len(value) == 1 and isinstance(value[0], dict):
        only = value[0]
        if only.keys() <= _TEXT and "text" in only and only.get("type", "text") == "text":
            return only["text"]
        if set(only) == {"json"}:
            return only["json"]
    return value


def _opened_object(value: dict[str, Json], found: Result) -> Json:
    if set(value) == {"output"} or (value.get("output") is not None and set(value) <= _OUTPUT):
        return value["output"]
    inner = value.get("kwargs")
    if value.get("lc") == 1 and isinstance(inner, dict):
        return _envelope(inner, found)
    inner = value.get("data")
    if isinstance(inner, dict) and value.get("type") == "tool":
        return _envelope(inner, found)
    if "content" in value and set(value) <= _ENVELOPE and not _TELLING.isdisjoint(value):
        return _envelope(value, found)
    if {"tool_output", "tool_name"} <= value.keys() <= _LLAMA_INDEX:
        found.call_id = found.call_id or as_text(value.get("tool_id"))
        return value["tool_output"]
    blocks = value.get("blocks")
    if isinstance(blocks, list) and "tool_name" in value:
        found.failed = found.failed or value.get("is_error") is True
        return blocks
    return value


_LLAMA_INDEX: Final = frozenset(
    {"tool_name", "tool_kwargs", "tool_id", "tool_output", "return_direct"}
)
_OUTPUT: Final = frozenset({"output", "kwargs", "tags", "metadata"})


def _envelope(fields: dict[str, Json], found: Result) -> Json:
    found.failed = found.failed or has_failed(fields)
    found.call_id = found.call_id or as_text(fields.get("tool_call_id"))
    return fields.get("content")
