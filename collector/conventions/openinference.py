"""OpenInference, as Arize's instrumentations write it for two dozen frameworks."""

from collections.abc import Mapping
from typing import Final

import orjson

from collector import moving
from collector.convention import Convention
from collector.reading import genai
from collector.reading.arguments import read_arguments, set_result
from collector.reading.documents import documents_of, query_of
from collector.reading.draft import Draft
from collector.reading.indexed import groups_of, objects_of, read_messages, take_list
from collector.reading.kinds import handoff_to, set_kind
from collector.reading.messages import messages_of
from collector.reading.model import cost, finish, params_of
from collector.reading.results import unwrap
from collector.reading.values import as_number, as_text, parsed
from collector.reading.whole import answer_id, complete_input, complete_output
from waypost import names
from waypost.assembly.cohort import metadata_of
from waypost.records import Document, Guard, Json, Kind, Message, RawSpan

_KIND = "openinference.span.kind"
_IN, _OUT = "input.value", "output.value"
_MIME, _JSON = "output.mime_type", "application/json"
_ERROR = "error"
_FAILED: Final = 2
_ANSWER: Final = frozenset({"id", "name", "response", "parts", "will_continue", "scheduling"})
_PROVIDERS = ("gen_ai.provider.name", "gen_ai.system")
_PARAMETERS = "llm.invocation_parameters"
_FIRST_TOKEN = "First Token Stream Event"  # noqa: S105 - the name of an event


def _matches(span: RawSpan) -> bool:
    return _KIND in span.attributes


def _mark(draft: Draft) -> None:
    set_kind(draft, draft.text(_KIND))
    if draft.kind is Kind.TOOL and draft.span.name == _ERROR and not draft.text("tool.name"):
        draft.kind = Kind.OTHER  # what BeeAI calls the end of the call around it


def _read(draft: Draft) -> None:
    kind = draft.kind
    if kind is Kind.LLM:
        _read_model(draft)
    elif kind in (Kind.TOOL, Kind.PLAN):
        _read_tool(draft)
    elif kind is Kind.HANDOFF:
        _read_handoff(draft)
    elif kind is Kind.RETRIEVAL:
        _read_retrieval(draft)
    elif kind is Kind.GUARDRAIL:
        draft.put("guard", Guard(draft.span.name) if not _has_genai_guard(draft) else None)
    elif kind is Kind.AGENT or draft.span.parent_id is None:
        draft.put("agent", _agent_name(draft))
        draft.payload("input", _IN, messages_in)
        draft.payload("output", _OUT, last_message)
    draft.shorten(_IN, _OUT)


def _has_genai_guard(draft: Draft) -> bool:
    return draft.get("gen_ai.guardrail.name", "gen_ai.guardrail.triggered") is not None


def _agent_name(draft: Draft) -> str | None:
    if draft.kind is not Kind.AGENT:
        return None
    named = draft.text("agent.name", "gen_ai.agent.name", "graph.node.id")
    return named or draft.span.name.removesuffix(".run")


def messages_in(value: Json) -> tuple[Message, ...] | None:
    """The messages of a run's input; None when it is something else, which is then kept."""
    value = parsed(value)
    if isinstance(value, dict) and not any(k in value for k in ("messages", "input", "inputs")):
        return None
    return messages_of(value) or None


def last_message(value: Json) -> tuple[Message, ...] | None:
    """The answer at the end of a run's state, None when there is none."""
    value = parsed(value)
    if isinstance(value, dict) and not any(
        k in value for k in ("messages", "output", "outputs", "content", "raw")
    ):
        return None
    if isinstance(value, dict) and isinstance(value.get("raw"), str):
        value = value["raw"]
    return messages_of(value, "assistant")[-1:] or None


def _read_model(draft: Draft) -> None:
    draft.put("model_requested", draft.text("llm.request.model_name"))
    draft.put("model", draft.text("llm.response.model_name", "llm.model_name"))
    draft.put("provider", draft.text("llm.provider", "llm.system", *_PROVIDERS))
    _read_answer(draft)
    _read_parameters(draft)
    _read_metadata(draft)
    _read_tools(draft)
    read_messages(draft, "input", "llm.input_messages.")
    complete_input(draft, _IN)
    read_messages(draft, "output", "llm.output_messages.")
    _read_whole_output(draft)
    if not draft.has("input"):
        read_messages(draft, "input", "llm.prompts.", "prompt.")
    draft.payload("input", _IN, lambda value: messages_of(value) or None)
    if draft.span.status_code != _FAILED:  # else it is the error
        draft.payload("output", _OUT, lambda value: messages_of(value, "assistant") or None)
    cost(draft, "llm.cost.total")
    if not draft.has("cost_usd"):
        _add_costs(draft)
    _read_usage(draft)
    for index, event in draft.events(_FIRST_TOKEN):
        draft.read_events.add(index)
        if event.at > draft.span.started_at:
            draft.put("ttft", event.at - draft.span.started_at)


def _add_costs(draft: Draft) -> None:
    parts = [as_number(draft.attributes.get("llm.cost." + n)) for n in ("prompt", "completion")]
    total = sum(part for part in parts if part is not None)
    if draft.put("cost_usd", total if total > 0 else None):
        draft.put("cost_source", "reported")


def _read_answer(draft: Draft) -> None:
    get = draft.attributes.get
    draft.put("finish_reason", finish(get("llm.finish_reason")))
    genai.finish_from_output(draft, _OUT)
    draft.put("response_id", draft.text("llm.response.id") or answer_id(get(_OUT)))


def _read_whole_output(draft: Draft) -> None:
    complete_output(draft, _OUT, names.OUTPUT)


def _read_parameters(draft: Draft) -> None:
    parameters = draft.object(_PARAMETERS)
    draft.put("params", params_of(parameters))
    if not draft.has("model"):  # a call that failed names only what it asked for
        draft.put("model_requested", as_text(parameters.get("model")))
    if "tools" in parameters and groups_of(draft, "llm.tools."):
        rest = {k: v for k, v in parameters.items() if k not in ("tools", "functions")}
        draft.shortened[_PARAMETERS] = orjson.dumps(rest).decode()


def _read_metadata(draft: Draft) -> None:
    """LangChain names provider and model in the metadata of the run as well."""
    asked = draft.text("gen_ai.request.model")
    unnamed = not (asked or draft.has("model") or draft.has("model_requested"))
    if unnamed or not draft.has("provider"):
        metadata = metadata_of(draft.attributes)
        draft.put("provider", as_text(metadata.get("ls_provider")))
        draft.put("model_requested", as_text(metadata.get("ls_model_name")) if unnamed else None)


def _read_tools(draft: Draft) -> None:
    found = objects_of(draft, "llm.tools.", "tool.")
    if found:
        draft.put("tools", tuple(parsed(tool.get("json_schema", dict(tool))) for tool in found))
        take_list(draft, "llm.tools.")


def _read_usage(draft: Draft) -> None:
    get = draft.attributes.get
    draft.count("input", get("llm.token_count.prompt"))
    draft.count("output", get("llm.token_count.completion"))
    draft.count(
        "cache_read", get("llm.token_count.prompt_details.cache_read"),
        get("llm.token_count.prompt_details.cache_input"),
    )  # fmt: skip
    draft.count("cache_write", get("llm.token_count.prompt_details.cache_write"))
    draft.count("reasoning", get("llm.token_count.completion_details.reasoning"))


def _read_tool(draft: Draft) -> None:
    name = draft.text("tool.name", "gen_ai.tool.name")
    draft.put("tool", name or draft.span.name.removesuffix(".__call__"))
    draft.put("call_id", draft.text("tool_call.id", "tool.id", "tool.call_id"))
    read_arguments(draft, _IN)
    draft.payload("result", _OUT, lambda value: set_result(draft, _answer_in(draft, value)))


def _answer_in(draft: Draft, value: Json) -> Json:
    """What a tool gave back; Gemini's answer, as ADK keeps it, names the tool and the call."""
    found = draft.object(_OUT)
    tool = draft.fields.get("tool")
    if {"name", "response"} <= found.keys() <= _ANSWER and found["name"] == tool:
        draft.put("call_id", as_text(found.get("id")))
        return found["response"]
    return _declared(draft, value)


def _declared(draft: Draft, value: Json) -> Json:
    """The number or the flag in a text that its sender declares to be JSON, else the value."""
    if not isinstance(value, str) or draft.attributes.get(_MIME) != _JSON:
        return value
    return value if value.startswith(("{", "[")) else parsed(value, declared=True)


def _read_handoff(draft: Draft) -> None:
    draft.put("tool", draft.text("tool.name") or draft.span.name)
    draft.put("handoff_from", as_text(unwrap(draft.attributes.get(_IN)).value))
    said = as_text(unwrap(draft.attributes.get(_OUT)).value)
    draft.put("handoff_to", said or handoff_to(draft.span.name))


def _read_retrieval(draft: Draft) -> None:
    draft.put("query", draft.text("reranker.query"))
    embedded = objects_of(draft, "embedding.embeddings.", "embedding.")
    draft.put("query", "\n".join(t for e in embedded if (t := as_text(e.get("text")))))
    draft.put("query", query_of(draft.attributes.get(_IN)) or draft.text(_IN))
    for prefix in ("retrieval.documents.", "reranker.output_documents."):
        found = tuple(_document(entry) for entry in objects_of(draft, prefix, "document."))
        if draft.put("documents", found):
            take_list(draft, prefix)
            draft.take(_OUT)
    draft.payload("documents", _OUT, documents_of)


def _document(entry: dict[str, Json]) -> Document:
    found = documents_of([entry])
    return found[0] if found else Document()


def _move_input(draft: Draft, value: Json) -> bool:
    if draft.kind in (Kind.TOOL, Kind.PLAN):
        return moving.arguments(draft, value)
    complete_input(draft, _IN)
    return _is_copy(draft, value, "input")


def _move_output(draft: Draft, value: Json) -> bool:
    if draft.kind in (Kind.TOOL, Kind.PLAN):
        plain = _declared(draft, value) is value and '"response"' not in str(value)
        return plain and moving.result(draft, value)
    _read_answer(draft)
    genai.read_answer(draft)  # as it fills what this attribute does not say
    draft.fields.setdefault("finish_reason", None)
    draft.fields.setdefault("response_id", None)
    _read_whole_output(draft)
    return _is_copy(draft, value, "output")


def _is_copy(draft: Draft, value: Json, field: str) -> bool:
    """Whether a call's messages were read from their list, so that this only repeats them."""
    return draft.kind is Kind.LLM and value is not None and draft.has(field)


_LISTS: Final = {"llm.input_messages.": "input", "llm.output_messages.": "output"}
_MOVING: Final[Mapping[str, moving.Mover]] = {
    "session.id": moving.Name("session"),
    "user.id": moving.Name("user"),
    "llm.response.id": moving.Name("response_id"),
    "llm.token_count.prompt": moving.tokens("input"),
    "llm.token_count.completion": moving.tokens("output"),
    "llm.token_count.total": moving.kept,
    "llm.token_count.prompt_details.cache_read": moving.tokens("cache_read"),
    "llm.token_count.prompt_details.cache_write": moving.tokens("cache_write"),
    "llm.token_count.completion_details.reasoning": moving.tokens("reasoning"),
    "tool_call.id": moving.Name("call_id"),
    _IN: _move_input,
    _OUT: _move_output,
}

CONVENTION = Convention(
    "openinference", 50, _matches, _mark, _read,
    names=frozenset({_KIND}), moving=_MOVING, lists=_LISTS,
)  # fmt: skip
