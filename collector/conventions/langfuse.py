"""The Langfuse SDKs."""

from collections.abc import Mapping
from datetime import datetime

from collector.convention import Convention
from collector.reading.arguments import only_argument, read_tool
from collector.reading.documents import documents_of, query_of
from collector.reading.draft import Draft
from collector.reading.endings import ending_of
from collector.reading.kinds import mark_run, set_kind
from collector.reading.messages import messages_of, split_definitions
from collector.reading.model import cost, definitions_of, finish, params_of
from collector.reading.values import as_text, as_tokens, parsed
from waypost.records import Guard, Json, Kind, Message, RawSpan

_TYPE = "langfuse.observation.type"
_INPUT, _OUTPUT = "langfuse.observation.input", "langfuse.observation.output"
_META = "langfuse.observation.metadata."
_CACHED = (
    "input_cache_read", "input_cached_tokens", "input_cached", "cache_read_input_tokens",
    "input_cache_read_tokens",
)  # fmt: skip
_CACHE_WRITE = ("input_cache_creation", "input_cache_write", "cache_creation_input_tokens")
_ANTHROPIC = ("cache_read_input_tokens", "cache_creation_input_tokens")
_DETAILS = (
    ("cache_read", "prompt_tokens_details", "cached_tokens"),
    ("cache_read", "input_tokens_details", "cached_tokens"),
    ("reasoning", "completion_tokens_details", "reasoning_tokens"),
    ("reasoning", "output_tokens_details", "reasoning_tokens"),
)
_REASONING = ("output_reasoning", "output_reasoning_tokens")


def _matches(span: RawSpan) -> bool:
    return as_text(span.attributes.get(_TYPE)) not in (None, "span")


def _helps(span: RawSpan) -> bool:
    return _TYPE in span.attributes or _INPUT in span.attributes or _OUTPUT in span.attributes


def _mark(draft: Draft) -> None:
    set_kind(draft, draft.text(_TYPE))
    mark_run(draft, draft.text(_META + "lc_agent_name"))


def _read(draft: Draft) -> None:
    kind = draft.kind
    if kind is Kind.LLM:
        _read_model(draft)
    elif kind in (Kind.TOOL, Kind.PLAN, Kind.HANDOFF):
        read_tool(draft, _META + "tool_call_id", _INPUT, _OUTPUT)
    elif kind is Kind.RETRIEVAL:
        draft.payload("query", _INPUT, lambda value: query_of(only_argument(value)))
        draft.payload("documents", _OUTPUT, documents_of)
    elif kind is Kind.AGENT or (kind is Kind.SCOPE and draft.span.parent_id is None):
        draft.payload("input", _INPUT, lambda value: messages_of(only_argument(value)))
        draft.payload("output", _OUTPUT, ending_of)
    elif kind is Kind.GUARDRAIL:
        draft.put("guard", Guard(draft.span.name))
    if kind is Kind.AGENT:
        draft.put("agent", draft.text(_META + "lc_agent_name") or draft.span.name)
    draft.shorten(_INPUT, _OUTPUT)


def _read_model(draft: Draft) -> None:
    draft.put("model", draft.text("langfuse.observation.model.name"))
    draft.put("provider", draft.text(_META + "ls_provider"))
    if not draft.has("model"):
        asked = draft.text("gen_ai.request.model", _META + "ls_model_name")
        draft.put("model_requested", asked)
    parameters = draft.object("langfuse.observation.model.parameters")
    draft.put("params", params_of(parameters))
    draft.payload("input", _INPUT, lambda value: _conversation(draft, value))
    draft.put("finish_reason", finish(_finish_in(draft.attributes.get(_OUTPUT))))
    draft.payload("output", _OUTPUT, lambda value: messages_of(value, "assistant"))
    cost(draft, "langfuse.observation.cost_details")
    _read_usage(draft)
    begun = _moment(draft.text("langfuse.observation.completion_start_time"))
    if begun is not None and begun > draft.span.started_at:
        draft.put("ttft", begun - draft.span.started_at)


def _conversation(draft: Draft, value: Json) -> tuple[Message, ...]:
    """The messages; tool definitions come among them."""
    value = parsed(value)
    if isinstance(value, dict):
        draft.put("tools", definitions_of(value.get("tools")))
    rest, definitions = split_definitions(value)
    draft.put("tools", tuple(definitions))
    return messages_of(rest)


def _finish_in(value: Json) -> Json:
    value = parsed(value)
    return value.get("finish_reason") if isinstance(value, dict) else None


def _read_usage(draft: Draft) -> None:
    usage = draft.object("langfuse.observation.usage_details")
    counts = {k: n for k, v in usage.items() if (n := as_tokens(v)) is not None}
    if not counts:
        return
    for field, old in (("input", "prompt_tokens"), ("output", "completion_tokens")):
        parts = [n for k, n in counts.items() if k.startswith(field)]
        draft.count(field, sum(parts) if parts else counts.get(old))
    _count_apart(draft, counts)
    for field, names in (
        ("cache_read", _CACHED), ("cache_write", _CACHE_WRITE), ("reasoning", _REASONING),
    ):  # fmt: skip
        draft.count(field, *(counts.get(name) for name in names))
    for field, name, detail in _DETAILS:
        inner = usage.get(name)
        draft.count(field, inner.get(detail) if isinstance(inner, dict) else None)


def _count_apart(draft: Draft, counts: Mapping[str, int]) -> None:
    """Anthropic's names count the cache beside the input, unless a total says it is within."""
    apart = sum(counts.get(name, 0) for name in _ANTHROPIC)
    known = draft.tokens.get("input"), draft.tokens.get("output", 0)
    if not apart or known[0] is None:
        return
    total = counts.get("total", counts.get("total_tokens"))
    if total is None or total >= known[0] + known[1] + apart:
        draft.tokens["input"] = known[0] + apart


def _moment(text: str | None) -> int | None:
    if not text:
        return None
    try:
        return int(datetime.fromisoformat(text.strip('"')).timestamp() * 1e9)
    except (ValueError, OverflowError):
        return None


CONVENTION = Convention(
    "langfuse", 40, _matches, _mark, _read, _helps, frozenset({_TYPE, _INPUT, _OUTPUT})
)
