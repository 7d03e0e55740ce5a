"""Haystack's own spans: one for each component, with its input and output where it tells them."""

from collections.abc import Mapping
from typing import Final

from collector.reading.documents import documents_of, query_of
from collector.reading.draft import Draft
from collector.reading.messages import messages_of
from collector.reading.model import finish
from collector.reading.values import as_dict, as_list, as_text
from waypost.records import Json, Kind

_COMPONENT: Final = "haystack.component."
_AGENT: Final = "haystack.agent."
_MAX_STEPS: Final = "haystack.agent.max_steps"


def kind_of(draft: Draft) -> Kind | None:
    """What a component's output or an agent's run makes of the span; None if it is another's."""
    if _MAX_STEPS in draft.attributes:
        return Kind.AGENT
    said = draft.object(_COMPONENT + "output")
    if isinstance(said.get("replies"), list):
        return Kind.LLM
    named = draft.text(_COMPONENT + "type") or ""
    return Kind.RETRIEVAL if named.endswith("Retriever") and "documents" in said else None


def read(draft: Draft) -> None:
    """Fill the step of an agent, a generator or a retriever."""
    given, said = (_COMPONENT + name for name in ("input", "output"))
    if draft.kind is Kind.AGENT:
        draft.put("input", messages_of(draft.object(_AGENT + "input")))
        _take(draft, _AGENT + "input", "messages")
        if draft.put("output", messages_of(draft.object(_AGENT + "output"), "assistant")[-1:]):
            _take(draft, _AGENT + "output", "messages", "last_message")
    elif draft.kind is Kind.LLM and draft.object(said).get("replies"):
        _read_model(draft, draft.object(given), draft.object(said))
        _take(draft, given, "messages", "prompt", "tools", "generation_kwargs")
        _take(draft, said, "replies", "meta")
    elif draft.kind is Kind.RETRIEVAL:
        draft.put("data_source", draft.text(_COMPONENT + "name"))
        draft.put("query", query_of(draft.object(given)))
        draft.put("documents", documents_of(draft.object(said)))
        _take(draft, given, "query")
        _take(draft, said, "documents")


def _take(draft: Draft, name: str, *read: str) -> None:
    """A component's input or output became payloads, unless it says more than was read of it."""
    if not {key for key, value in draft.object(name).items() if value} - {*read}:
        draft.take(name)


def _read_model(draft: Draft, given: Mapping[str, Json], said: Mapping[str, Json]) -> None:
    draft.put("input", messages_of(given.get("messages") or given.get("prompt")))
    draft.put("output", messages_of(said["replies"], "assistant"))
    tools = (as_dict(tool).get("data") for tool in as_list(given.get("tools")))
    draft.put("tools", tuple(tool for tool in tools if isinstance(tool, dict)))
    replies = as_list(said["replies"])
    first = as_dict(as_dict(replies[0] if replies else None).get("meta"))
    meta = first or next(map(as_dict, as_list(said.get("meta"))), {})
    draft.put("params", as_dict(given.get("generation_kwargs")))
    draft.put("model", as_text(meta.get("model")))
    draft.put("finish_reason", finish(meta.get("finish_reason")))
    usage = as_dict(meta.get("usage"))
    draft.count("input", usage.get("prompt_tokens"))
    draft.count("output", usage.get("completion_tokens"))
    draft.count("cache_read", as_dict(usage.get("prompt_tokens_details")).get("cached_tokens"))
    detail = as_dict(usage.get("completion_tokens_details"))
    draft.count("reasoning", detail.get("reasoning_tokens"))
