"""The vendors' words for kinds of span."""

from collections.abc import Mapping
from typing import Final

from collector.reading.draft import Draft
from waypost.records import Kind

_WORDS: Final[Mapping[str, Kind]] = {
    **dict.fromkeys(
        ("LLM", "CHAT_MODEL", "GENERATION", "CHAT", "TEXT_COMPLETION", "GENERATE_CONTENT",
         "COMPLETION"), Kind.LLM,
    ),
    **dict.fromkeys(("TOOL", "EXECUTE_TOOL", "FUNCTION"), Kind.TOOL),
    **dict.fromkeys(("RETRIEVER", "RETRIEVAL", "VECTOR_DB_RETRIEVE"), Kind.RETRIEVAL),
    **dict.fromkeys(("EMBEDDING", "EMBEDDINGS", "RERANKER", "RERANK"), Kind.RETRIEVAL),
    **dict.fromkeys(
        ("GUARDRAIL", "GUARDRAIL_CHECK", "APPLY_GUARDRAIL", "RUN_GUARDRAIL"), Kind.GUARDRAIL
    ),
    **dict.fromkeys(("HANDOFF", "AGENT_HANDOFF"), Kind.HANDOFF),
    "PLAN": Kind.PLAN, "MEMORY": Kind.MEMORY, "HUMAN": Kind.HUMAN,
    **dict.fromkeys(("AGENT", "INVOKE_AGENT"), Kind.AGENT),
    **dict.fromkeys(
        ("WORKFLOW", "INVOKE_WORKFLOW", "CHAIN", "TASK", "EXECUTE_TASK",
         "EXECUTE_EVENT_LOOP_CYCLE", "PARSER", "PROMPT", "SPAN"), Kind.SCOPE,
    ),
    "CREATE_AGENT": Kind.OTHER, "EVENT": Kind.OTHER,
    "EVALUATOR": Kind.FEEDBACK,
}  # fmt: skip
_PLAN_TOOLS: Final = frozenset({"write_todos", "update_plan", "todo_write"})
_HANDOFF: Final = "handoff to "


def kind_of_word(word: str | None) -> Kind | None:
    """The kind a vendor's word stands for, in any case."""
    if not word:
        return None
    upper = word.strip().upper()
    found = _WORDS.get(upper)
    if found is None and upper.endswith(("_MEMORY", "_MEMORY_STORE")):
        return Kind.MEMORY
    return found


def set_kind(draft: Draft, word: str | None, *, unknown: Kind = Kind.SCOPE) -> None:
    """Decide the kind from the convention's marker, and correct what vendors mislabel."""
    kind = kind_of_word(word)
    if kind is None:
        kind = guess(draft) if unknown is Kind.OTHER else unknown
    draft.kind = _corrected(draft, kind)
    draft.put("operation", word)


def mark_run(draft: Draft, named: str | None) -> None:
    """LangChain's agents name themselves to every span of their run; the run's own bears the name.

    Otherwise it would be a chain like any node, and a nested agent's calls its caller's.
    """
    if draft.kind is Kind.SCOPE and named is not None and named == draft.span.name:
        draft.kind = Kind.AGENT
        draft.put("agent", named)


def _corrected(draft: Draft, kind: Kind) -> Kind:
    if kind is Kind.AGENT and draft.text("tool.name", "gen_ai.tool.name"):
        kind = Kind.TOOL
    if kind is Kind.TOOL:
        return _kind_of_tool(draft)
    if kind in (Kind.LLM, Kind.RETRIEVAL) and _is_private(draft.span.name):
        return Kind.SCOPE  # a helper of the client, labelled like the call it prepares
    return kind


def _is_private(name: str) -> bool:
    """Whether a method is private by Python's custom; `__call__` is how the public calls."""
    last = name.rpartition(".")[2]
    return last.startswith("_") and not last.endswith("__")


def _kind_of_tool(draft: Draft) -> Kind:
    name = draft.text("tool.name", "gen_ai.tool.name", "ai.toolCall.name") or draft.span.name
    if name == "(merged tools)":
        return Kind.OTHER
    if draft.span.name.lower().startswith(_HANDOFF):
        return Kind.HANDOFF
    return Kind.PLAN if name in _PLAN_TOOLS else Kind.TOOL


def guess(draft: Draft) -> Kind:
    """The kind of a span without a marker."""
    if draft.text("gen_ai.tool.name"):
        return Kind.TOOL
    asked = draft.text("gen_ai.request.model", "gen_ai.response.model", "llm.request.model")
    counted = draft.get(
        "gen_ai.usage.input_tokens", "gen_ai.usage.prompt_tokens", "gen_ai.usage.output_tokens",
        "gen_ai.usage.completion_tokens", "llm.usage.total_tokens",
    )  # fmt: skip
    return Kind.LLM if asked and counted is not None else Kind.OTHER


def handoff_to(name: str) -> str:
    """Whom a span that is called `handoff to …` names."""
    return name[len(_HANDOFF) :].strip()
