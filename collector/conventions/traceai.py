"""traceAI (FutureAGI): lists flattened below the standard's own names."""

import orjson

from collector.convention import Convention
from collector.reading.arguments import read_tool
from collector.reading.documents import documents_of, query_of
from collector.reading.draft import Draft
from collector.reading.indexed import objects_of, read_messages, take_list
from collector.reading.kinds import handoff_to, set_kind
from collector.reading.messages import finish_of, messages_of
from collector.reading.model import definitions_of, finish, params_of
from collector.reading.values import as_text, parsed
from waypost.records import Document, Json, Kind, Message, RawSpan

_KIND = "gen_ai.span.kind"
_IN, _OUT = "input.value", "output.value"
_PARAMETERS = "gen_ai.request.parameters"


def _matches(span: RawSpan) -> bool:
    return _KIND in span.attributes


def _mark(draft: Draft) -> None:
    set_kind(draft, draft.text(_KIND))


def _read(draft: Draft) -> None:
    kind = draft.kind
    if kind is Kind.LLM:
        _read_model(draft)
    elif kind in (Kind.TOOL, Kind.PLAN, Kind.HANDOFF):
        if kind is Kind.HANDOFF:
            draft.put("handoff_to", handoff_to(draft.span.name))
        read_tool(draft, "gen_ai.tool.call.id", _IN, _OUT)
    elif kind is Kind.RETRIEVAL:
        _read_retrieval(draft)
    elif kind is Kind.AGENT:
        draft.put("agent", draft.text("gen_ai.agent.name") or draft.span.name)
        draft.payload("input", _IN, _run_input)
        draft.payload("output", _OUT, _run_output)
    if kind.is_scope:
        read_messages(draft, "input", "gen_ai.input.messages.")
    draft.shorten(_IN, _OUT)


def _run_input(value: Json) -> tuple[Message, ...] | None:
    return messages_of(value) or None


def _run_output(value: Json) -> tuple[Message, ...] | None:
    value = parsed(value)
    if not isinstance(value, dict) or "messages" not in value:
        return None
    return messages_of(value, "assistant")[-1:] or None


def _read_model(draft: Draft) -> None:
    parameters = draft.object(_PARAMETERS)
    draft.put("params", params_of(parameters))
    if draft.text("gen_ai.request.model") is None:  # a streamed call, or one that failed
        draft.put("model_requested", as_text(parameters.get("model")))
    listed = objects_of(draft, "gen_ai.tool.definitions.", "tool.")
    if draft.put("tools", tuple(parsed(t["json_schema"]) for t in listed if "json_schema" in t)):
        take_list(draft, "gen_ai.tool.definitions.")
    if draft.put("tools", definitions_of(parameters.get("tools"))):
        rest = {k: v for k, v in parameters.items() if k != "tools"}
        draft.shortened[_PARAMETERS] = orjson.dumps(rest).decode()
    draft.put("provider", draft.text("gen_ai.provider.name", "gen_ai.system", "ls_provider"))
    read_messages(draft, "input", "gen_ai.input.messages.")
    _complete_input(draft)
    draft.put("finish_reason", finish(finish_of(draft.attributes.get(_OUT))))
    _read_output(draft)
    draft.payload("input", _IN, _run_input)


def _complete_input(draft: Draft) -> None:
    """A flattened history may lack the calls in it and say of no result which call it answers."""
    flat: tuple[Message, ...] = draft.fields.get("input", ())
    if all(m.parts for m in flat) and all(p.get("id") for m in flat for p in m.tool_responses):
        return
    whole = messages_of(draft.attributes.get(_IN))
    if len(whole) == len(flat):
        draft.fields["input"] = whole


def _read_output(draft: Draft) -> None:
    """The flattened output has no tool calls; the raw one beside it has."""
    raw = messages_of(draft.attributes.get(_OUT), "assistant")
    if any(message.tool_calls for message in raw) and draft.put("output", raw):
        draft.take(_OUT)
    read_messages(draft, "output", "gen_ai.output.messages.")
    draft.payload("output", _OUT, lambda value: messages_of(value, "assistant") or None)


def _read_retrieval(draft: Draft) -> None:
    draft.put("query", query_of(draft.attributes.get(_IN)))
    for prefix in ("retrieval.documents.", "gen_ai.retrieval.documents."):
        entries = objects_of(draft, prefix, "document.")
        found = tuple(d[0] if (d := documents_of([e])) else Document() for e in entries)
        if draft.put("documents", found):
            take_list(draft, prefix)
            draft.take(_OUT)
    draft.payload("documents", _OUT, documents_of)


CONVENTION = Convention("traceai", 80, _matches, _mark, _read, names=frozenset({_KIND}))
