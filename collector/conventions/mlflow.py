"""MLflow's own span attributes; every value is JSON text."""

from collector.convention import Convention
from collector.reading.arguments import read_arguments, set_result
from collector.reading.documents import documents_of, query_of
from collector.reading.draft import Draft
from collector.reading.endings import ending_of
from collector.reading.kinds import kind_of_word, mark_run, set_kind
from collector.reading.messages import finish_of, messages_of
from collector.reading.model import cost, definitions_of, finish, instructions_of, params_of
from collector.reading.values import as_text, parsed
from waypost.assembly.cohort import metadata_of
from waypost.records import Guard, Json, Kind, Message, RawSpan

_TYPE = "mlflow.spanType"
_IN, _OUT = "mlflow.spanInputs", "mlflow.spanOutputs"


def _matches(span: RawSpan) -> bool:
    return _TYPE in span.attributes


def _mark(draft: Draft) -> None:
    word = draft.text(_TYPE)
    set_kind(draft, word, unknown=Kind.SCOPE if kind_of_word(word) else Kind.OTHER)
    if draft.kind is Kind.SCOPE:
        mark_run(draft, as_text(metadata_of(draft.attributes).get("lc_agent_name")))


def _read(draft: Draft) -> None:
    kind = draft.kind
    if kind is Kind.LLM:
        _read_model(draft)
    elif kind in (Kind.TOOL, Kind.PLAN, Kind.HANDOFF):
        draft.payload("result", _OUT, lambda value: set_result(draft, _told(value)))
        draft.put("tool", draft.text("gen_ai.tool.name") or draft.span.name)
        draft.put("call_id", draft.text("tool_call_id"))
        read_arguments(draft, _IN)
    elif kind is Kind.RETRIEVAL:
        draft.payload("query", _IN, query_of)
        draft.payload("documents", _OUT, documents_of)
    elif kind is Kind.AGENT or (kind is Kind.SCOPE and draft.span.parent_id is None):
        draft.payload("input", _IN, lambda value: _messages(None, value))
        draft.payload("output", _OUT, lambda value: ending_of(_told(value)) or None)
    elif kind is Kind.GUARDRAIL:
        draft.put("guard", Guard(draft.span.name))
    if kind is Kind.AGENT:
        draft.put("agent", draft.span.name)
    draft.shorten(_IN, _OUT)


def _read_model(draft: Draft) -> None:
    asked, answered = draft.object(_IN), draft.object(_OUT)
    draft.put("model_requested", as_text(asked.get("model")) or draft.text("mlflow.llm.model"))
    draft.put("provider", draft.text("mlflow.llm.provider"))
    draft.put("params", params_of({**asked, **draft.object("invocation_params")}))
    draft.payload("tools", "mlflow.chat.tools", definitions_of)
    if not draft.has("tools"):
        draft.put("tools", definitions_of(asked.get("tools")))
    draft.put("finish_reason", finish(finish_of(answered or draft.attributes.get(_OUT))))
    draft.put("response_id", as_text(answered.get("id")))
    draft.put("model", as_text(answered.get("model")))
    draft.payload("input", _IN, lambda value: _messages(asked, value))
    draft.put("system", instructions_of(asked.get("system") or asked.get("instructions")))
    draft.payload("output", _OUT, lambda value: _messages(answered, value, "assistant"))
    cost(draft, "mlflow.llm.cost")
    usage = draft.object("mlflow.chat.tokenUsage")
    draft.count("input", usage.get("input_tokens"))
    draft.count("output", usage.get("output_tokens"))
    draft.count("cache_read", usage.get("cache_read_input_tokens"))
    draft.count("cache_write", usage.get("cache_creation_input_tokens"))


def _messages(known: Json, value: Json, role: str = "user") -> tuple[Message, ...] | None:
    """The messages in what was parsed of a value already, else in the value itself."""
    return messages_of(known, role) or messages_of(_told(value), role) or None


def _told(value: Json) -> Json:
    """The nothing, the number or the flag in a text that is always JSON, else the text."""
    found = parsed(value, declared=True)
    return value if isinstance(found, str | list | dict) else found


CONVENTION = Convention("mlflow", 70, _matches, _mark, _read, names=frozenset({_TYPE}))
