"""What conventions share about model calls."""

from collections.abc import Mapping
from typing import Final

from collector.reading.draft import Draft
from collector.reading.values import as_number, as_text, parsed
from waypost.records import Json

_FINISH: Final[Mapping[str, str]] = {
    **dict.fromkeys(("stop", "end_turn", "eos", "complete", "stop_sequence", "completed"), "stop"),
    **dict.fromkeys(
        ("tool_call", "tool_calls", "tool-calls", "tool_use", "function_call", "function_calls"),
        "tool_call",
    ),
    **dict.fromkeys(
        ("length", "max_tokens", "max_output_tokens", "model_length", "incomplete"), "length"
    ),
    **dict.fromkeys(
        ("content_filter", "content-filter", "safety", "refusal", "guardrail_intervened",
         "prohibited_content", "recitation", "blocklist"), "content_filter",
    ),
    "error": "error", "failed": "error",
}  # fmt: skip
_PARAMS: Final = frozenset(
    {"temperature", "max_tokens", "max_completion_tokens", "max_output_tokens", "top_p", "top_k",
     "seed", "stream", "frequency_penalty", "presence_penalty", "stop", "stop_sequences", "n",
     "reasoning_effort", "parallel_tool_calls", "tool_choice", "response_format"}
)  # fmt: skip
_REQUEST: Final = "gen_ai.request."
_KNOWN: Final = tuple(
    (_REQUEST + name, name)
    for name in (
        "temperature", "max_tokens", "top_p", "top_k", "seed", "stream", "frequency_penalty",
        "presence_penalty", "stop_sequences", "choice.count",
    )
)  # fmt: skip
_NANOS: Final = 1_000_000_000
_LONGEST: Final = 10**17


def finish(value: Json) -> str | None:
    """The normalised reason a model stopped for."""
    value = parsed(value)
    if isinstance(value, list):
        value = value[0] if value else None
    word = as_text(value)
    return _FINISH.get(word.lower().rpartition(".")[2], word.lower()) if word else None


def params_of(values: Mapping[str, Json]) -> dict[str, Json]:
    """The request parameters worth keeping in an object of them."""
    return {k: v for k, v in values.items() if k in _PARAMS and v not in (None, "")}


def request_params(draft: Draft) -> dict[str, Json]:
    """The request parameters in attributes of the standard's names."""
    return {
        name: value for full, name in _KNOWN if (value := draft.attributes.get(full)) is not None
    }


def cost(draft: Draft, *names: str) -> None:
    """A cost the sender reports; zero means it did not know."""
    for name in names:
        value = parsed(draft.attributes.get(name))
        if isinstance(value, dict):
            value = _total(value)
        number = as_number(value)
        if number is not None and number > 0 and draft.put("cost_usd", number):
            draft.put("cost_source", "reported")
            return


def _total(costs: Mapping[str, Json]) -> float | None:
    """The total among costs, else the sum of what is told apart."""
    for name in ("total", "total_cost"):
        if name in costs:
            return as_number(costs[name])
    told = [number for cost in costs.values() if (number := as_number(cost)) is not None]
    return sum(told) if told else None


def seconds(value: Json) -> int | None:
    """Seconds as nanoseconds."""
    return _nanos(value, _NANOS)


def milliseconds(value: Json) -> int | None:
    """Milliseconds as nanoseconds."""
    return _nanos(value, _NANOS // 1_000)


def _nanos(value: Json, unit: int) -> int | None:
    number = as_number(value)
    return int(number * unit) if number is not None and 0 < number * unit < _LONGEST else None


def definitions_of(value: Json) -> tuple[Json, ...] | None:
    """Tool definitions from a list of them, each an object or the JSON text of one."""
    value = parsed(value)
    if not isinstance(value, list):
        return None
    return tuple(parsed(item) for item in value)


def instructions_of(value: Json) -> tuple[Json, ...] | None:
    """System instructions as parts."""
    value = parsed(value)
    if isinstance(value, str) and value:
        return ({"type": "text", "content": value},)
    if isinstance(value, dict):
        return (value,)
    return tuple(value) if isinstance(value, list) else None
