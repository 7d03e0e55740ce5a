"""Google's Agent Development Kit, with the attributes of its earlier versions."""

import re

from collector.convention import Convention
from collector.reading import genai
from collector.reading.arguments import read_arguments, read_result
from collector.reading.draft import Draft
from collector.reading.kinds import kind_of_word, set_kind
from collector.reading.messages import answers_of, messages_of
from collector.reading.model import instructions_of
from collector.reading.values import as_dict, as_list, as_text, as_tokens
from waypost import names
from waypost.records import Json, Kind, Message, RawSpan

_PREFIX = "gcp.vertex.agent."
_SCOPE = "gcp.vertex.agent"
_REQUEST, _RESPONSE = _PREFIX + "llm_request", _PREFIX + "llm_response"
_RUN = re.compile(r"agent_run \[(.+)\]")
_GEMINI = ("gemini", "gcp.gemini", "gcp.vertex_ai", "gcp.gen_ai", "vertex_ai")


def _matches(span: RawSpan) -> bool:
    if as_text(span.attributes.get("gen_ai.operation.name")) is None:
        return _REQUEST in span.attributes or _agent_in(span) is not None
    return span.scope_name == _SCOPE or _PREFIX + "event_id" in span.attributes


def _agent_in(span: RawSpan) -> str | None:
    """The agent that a run of the first versions names, which says nothing else."""
    found = _RUN.fullmatch(span.name) if span.scope_name == _SCOPE else None
    return found[1] if found is not None else None


def _mark(draft: Draft) -> None:
    word = draft.text("gen_ai.operation.name")
    if word is None and draft.put("agent", _agent_in(draft.span)):
        word = "invoke_agent"
    if kind_of_word(word) is None and _REQUEST in draft.attributes:
        word = "generate_content"
    set_kind(draft, word)


def _read(draft: Draft) -> None:
    if draft.kind is Kind.TOOL:
        genai.read(draft)
        read_arguments(draft, _PREFIX + "tool_call_args")
        read_result(draft, _PREFIX + "tool_response")
    elif draft.kind is Kind.LLM:
        draft.payload("output", names.OUTPUT, answers_of)
        genai.read(draft)
        _read_config(draft)
        draft.payload("input", _REQUEST, _asked)
        draft.payload("output", _RESPONSE, _answered)
        _count_reasoning_once(draft)
        _read_usage(draft)
    draft.put("session", draft.text(_PREFIX + "session_id"))
    draft.shorten(_REQUEST, _RESPONSE, _PREFIX + "data")


def _read_config(draft: Draft) -> None:
    config = as_dict(draft.object(_REQUEST).get("config"))
    draft.put("system", instructions_of(config.get("system_instruction")))
    tools = (as_list(as_dict(t).get("function_declarations")) for t in as_list(config.get("tools")))
    draft.put("tools", tuple(d for each in tools for d in each if isinstance(d, dict)))


def _asked(value: Json) -> tuple[Message, ...] | None:
    return messages_of(as_dict(value).get("contents")) or None


def _answered(value: Json) -> tuple[Message, ...] | None:
    return messages_of(as_dict(value).get("content"), "assistant") or None


def _read_usage(draft: Draft) -> None:
    """Its first versions say only in the model's answer what it cost."""
    usage = as_dict(draft.object(_RESPONSE).get("usage_metadata"))
    draft.count("input", usage.get("prompt_token_count"))
    draft.count("cache_read", usage.get("cached_content_token_count"))
    thought = as_tokens(usage.get("thoughts_token_count"))
    said = as_tokens(usage.get("candidates_token_count"))
    if draft.tokens.get("output", said) == said and "reasoning" not in draft.tokens:
        if said is not None:
            draft.tokens["output"] = said + (thought or 0)
        draft.count("reasoning", thought)


def _count_reasoning_once(draft: Draft) -> None:
    """ADK adds the thoughts to the output; other makers' models have counted them there already."""
    tokens = draft.tokens
    reasoning, output = tokens.get("reasoning", 0), tokens.get("output", 0)
    maker = f"{draft.text('gen_ai.provider.name', 'gen_ai.system') or ''}"
    if reasoning and output >= 2 * reasoning and maker not in _GEMINI:
        tokens["output"] = output - reasoning


CONVENTION = Convention("google_adk", 93, _matches, _mark, _read)
