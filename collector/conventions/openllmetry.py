"""OpenLLMetry (Traceloop), with its names before 0.62."""

from collector.convention import Convention
from collector.reading import genai
from collector.reading.arguments import arguments_of, read_arguments, read_result, set_result
from collector.reading.documents import documents_of
from collector.reading.draft import Draft
from collector.reading.indexed import objects_of, read_messages, take_list
from collector.reading.kinds import kind_of_word, set_kind
from collector.reading.messages import messages_of
from collector.reading.model import finish
from collector.reading.values import as_text, parsed
from waypost.records import Guard, Json, Kind, Message, RawSpan, Status

_KIND = "traceloop.span.kind"
_IN, _OUT = "traceloop.entity.input", "traceloop.entity.output"
_COPIES = ("gen_ai.task.input", "gen_ai.task.output")
_STRONGER = (Kind.LLM, Kind.TOOL, Kind.RETRIEVAL)


def _matches(span: RawSpan) -> bool:
    attributes = span.attributes
    if _KIND in attributes:
        return kind_of_word(as_text(attributes.get("gen_ai.operation.name"))) not in _STRONGER
    return "llm.request.type" in attributes


def _helps(span: RawSpan) -> bool:
    attributes = span.attributes
    return _KIND in attributes or "llm.request.type" in attributes or _IN in attributes


def _mark(draft: Draft) -> None:
    word = draft.text(_KIND)
    if word is None and draft.text("llm.request.type") in ("chat", "completion"):
        word = "chat"
    if word == "task" and draft.text("tool.name"):
        word = "tool"  # LlamaIndex's step that calls it
    set_kind(draft, word or draft.text("llm.request.type"))


def _read(draft: Draft) -> None:
    kind = draft.kind
    if kind is Kind.LLM:
        _read_model(draft)
    elif kind in (Kind.TOOL, Kind.PLAN, Kind.HANDOFF):
        genai.read(draft)  # the standard's names hold the same with less around it
        if kind is not Kind.HANDOFF:
            draft.put("tool", draft.text("tool.name", "traceloop.entity.name"))
        _read_mcp(draft)
        read_arguments(draft, "tool.arguments")
        read_arguments(draft, _IN)
        read_result(draft, _OUT)
    elif kind is Kind.RETRIEVAL:
        draft.put("query", as_text(draft.object(_IN).get("query")))
        draft.payload("documents", _OUT, documents_of)
    elif kind is Kind.GUARDRAIL and draft.get("gen_ai.guardrail.name") is None:
        draft.put("guard", Guard(draft.text("traceloop.entity.name") or draft.span.name))
    elif kind is Kind.AGENT or draft.text("traceloop.entity.path") is None:
        draft.payload("input", _IN, _run_input)
        draft.payload("output", _OUT, _run_output)
    for copy, whole in zip(_COPIES, (_IN, _OUT), strict=True):
        if draft.attributes.get(copy) == draft.attributes.get(whole):
            draft.take(copy)
    draft.shorten(_IN, _OUT, *_COPIES)


def _read_mcp(draft: Draft) -> None:
    """What went to a tool of an MCP server, with its name, and what came from it."""
    given, got = draft.object(_IN), draft.object(_OUT)
    if given.keys() != {"tool_name", "arguments"} or given["tool_name"] != draft.fields.get("tool"):
        return
    draft.payload("arguments", _IN, lambda _: arguments_of(given["arguments"]))
    draft.put("arguments_from", "span")
    if "result" in got and got.keys() <= {"result", "is_error"}:
        if got.get("is_error") is True:
            draft.put("status", Status.ERROR)
        draft.payload("result", _OUT, lambda _: set_result(draft, got["result"]))


def _run_input(value: Json) -> tuple[Message, ...] | None:
    value = parsed(value)
    inner = value.get("inputs", value) if isinstance(value, dict) else value
    return messages_of(inner) or None if _talks(inner) else None


def _run_output(value: Json) -> tuple[Message, ...] | None:
    value = parsed(value)
    inner = value.get("outputs", value) if isinstance(value, dict) else value
    return messages_of(inner, "assistant")[-1:] or None if _talks(inner) else None


def _talks(value: Json) -> bool:
    """A list of messages, not the result of a graph node."""
    return isinstance(value, str) or (isinstance(value, dict) and "messages" in value)


def _read_model(draft: Draft) -> None:
    read_messages(draft, "input", "gen_ai.prompt.", "")
    read_messages(draft, "output", "gen_ai.completion.", "")
    functions = objects_of(draft, "llm.request.functions.")
    if draft.put("tools", tuple(_definition(f) for f in functions)):
        take_list(draft, "llm.request.functions.")
    reason = draft.attributes.get("gen_ai.completion.0.finish_reason")
    genai.read(draft)
    if reason is not None:
        draft.put("finish_reason", finish(reason))


def _definition(function: dict[str, Json]) -> Json:
    return {k: parsed(v) for k, v in function.items()}


CONVENTION = Convention(
    "openllmetry", 60, _matches, _mark, _read, _helps,
    frozenset({_KIND, "llm.request.type", _IN}),
)  # fmt: skip
