"""LangSmith's OpenTelemetry export."""

from collector.convention import Convention
from collector.reading.arguments import read_tool
from collector.reading.documents import documents_of, query_of
from collector.reading.draft import Draft
from collector.reading.endings import ending_of
from collector.reading.kinds import mark_run, set_kind
from collector.reading.messages import finish_of, messages_of
from collector.reading.model import definitions_of, finish, instructions_of, params_of
from collector.reading.values import as_dict, as_text
from waypost.records import Json, Kind, Message, RawSpan, Status

_KIND = "langsmith.span.kind"
_IN, _OUT = "gen_ai.prompt", "gen_ai.completion"
_META = "langsmith.metadata."
_DETAILS = ("input_token_details", "output_token_details")
_ENVIRONMENT = (_META + "LANGSMITH_", _META + "LANGCHAIN_")


def _matches(span: RawSpan) -> bool:
    return _KIND in span.attributes


def _mark(draft: Draft) -> None:
    set_kind(draft, draft.text(_KIND))
    mark_run(draft, draft.text(_META + "lc_agent_name"))


def _read(draft: Draft) -> None:
    kind = draft.kind
    if kind is Kind.LLM:
        _read_model(draft)
    elif kind in (Kind.TOOL, Kind.PLAN, Kind.HANDOFF):
        read_tool(draft, "gen_ai.tool.call.id", _IN, _OUT)
    elif kind is Kind.RETRIEVAL:
        draft.payload("query", _IN, query_of)
        draft.payload("documents", _OUT, documents_of)
    elif kind is Kind.AGENT or draft.span.parent_id is None:
        draft.payload("input", _IN, lambda value: messages_of(value) or None)
        draft.payload("output", _OUT, lambda value: ending_of(value) or None)
    if any(event.name == "exception" for event in draft.span.events):
        draft.put("status", Status.ERROR)  # the span's own status stays OK
    draft.take(*(k for k in draft.attributes if k.startswith(_ENVIRONMENT)))
    draft.shorten(_IN, _OUT)


def _read_model(draft: Draft) -> None:
    usage = draft.object(_META + "usage_metadata")
    asked, answered = draft.object(_IN), draft.object(_OUT)
    said = as_dict(answered.get("llm_output"))
    draft.put("model", draft.text("gen_ai.response.model") or as_text(said.get("model_name")))
    draft.put("response_id", draft.text("gen_ai.response.id") or as_text(said.get("id")))
    draft.put("tools", definitions_of(asked.get("tools")))
    draft.put("system", instructions_of(asked.get("instructions") or asked.get("system")))
    draft.put("params", params_of(asked))
    draft.put("finish_reason", finish(finish_of(answered or draft.attributes.get(_OUT))))
    draft.payload("input", _IN, lambda value: messages_of(asked or value) or None)
    draft.payload("output", _OUT, lambda value: _answers(answered or value))
    draft.count(
        "input", draft.attributes.get("gen_ai.usage.input_tokens"), usage.get("input_tokens")
    )
    draft.count(
        "output", draft.attributes.get("gen_ai.usage.output_tokens"), usage.get("output_tokens")
    )
    for told in (usage, {n: draft.attributes.get(f"gen_ai.usage.{n}") for n in _DETAILS}):
        inputs, outputs = (as_dict(told.get(name)) for name in _DETAILS)
        draft.count("cache_read", inputs.get("cache_read"))
        draft.count("cache_write", inputs.get("cache_creation"))
        draft.count("reasoning", outputs.get("reasoning"))
    draft.put("provider", draft.text("gen_ai.system", _META + "ls_provider"))
    draft.put("model_requested", draft.text("gen_ai.request.model", _META + "ls_model_name"))


def _answers(value: Json) -> tuple[Message, ...] | None:
    return messages_of(value, "assistant") or None


CONVENTION = Convention("langsmith", 90, _matches, _mark, _read, names=frozenset({_KIND}))
