"""The GenAI names of the OpenTelemetry conventions, every one they ever had."""

from collector.reading.arguments import arguments_of, read_arguments, read_result
from collector.reading.content import read_events
from collector.reading.documents import documents_of
from collector.reading.draft import Draft
from collector.reading.messages import finish_of, messages_of
from collector.reading.model import (
    cost,
    definitions_of,
    finish,
    instructions_of,
    milliseconds,
    request_params,
    seconds,
)
from collector.reading.values import as_flag, as_int, as_list, as_number, as_tokens
from waypost import names
from waypost.records import Guard, Json, Kind, Memory, Message

_EXECUTE = "execute_tool "
NO_CALL = "<not specified>"
_TOOLS = (Kind.TOOL, Kind.PLAN, Kind.HANDOFF, Kind.HUMAN)
_ENDED = (
    names.FINISH_REASONS, "anthropic.message.stop_reason", "gen_ai.response.finish_reason",
)  # fmt: skip


def read(draft: Draft) -> None:
    """Fill every gap the GenAI names can fill; once is enough for a span."""
    if draft.read_genai:
        return
    draft.read_genai = True
    kind = draft.kind
    if draft.span.events:
        read_events(draft)
    if kind is Kind.LLM:
        _read_model(draft)
    elif kind in _TOOLS:
        _read_tool(draft)
    elif kind is Kind.RETRIEVAL:
        _read_retrieval(draft)
    elif kind is Kind.MEMORY:
        _read_memory(draft)
    elif kind is Kind.GUARDRAIL:
        _read_guard(draft)
    if kind in (Kind.LLM, Kind.AGENT, Kind.SCOPE):
        _read_messages(draft)
    if kind is Kind.HANDOFF:
        _read_handoff(draft)


def _read_model(draft: Draft) -> None:
    draft.put("provider", draft.text(names.PROVIDER, "gen_ai.system"))
    draft.put("model_requested", draft.text(names.REQUEST_MODEL))
    draft.put("model", draft.text(names.RESPONSE_MODEL))
    draft.put("params", request_params(draft))
    read_answer(draft)
    draft.put("ttft", _first_token(draft))
    cost(draft, names.COST, "gen_ai.usage.cost", "operation.cost", "gen_ai.cost.total_cost")
    read_usage(draft)


def read_answer(draft: Draft) -> None:
    """Which answer it was, and why it ended."""
    get = draft.attributes.get
    draft.put("response_id", draft.text(names.RESPONSE_ID))
    for name in _ENDED:
        draft.put("finish_reason", finish(get(name)))


def read_usage(draft: Draft) -> None:
    get = draft.attributes.get
    draft.count("input", get(names.TOKENS_IN), get("gen_ai.usage.prompt_tokens"))
    draft.count("output", get(names.TOKENS_OUT), get("gen_ai.usage.completion_tokens"))
    draft.count(
        "cache_read", get(names.TOKENS_CACHE_READ), get("gen_ai.usage.cache_read_input_tokens"),
        get("gen_ai.usage.details.cache_read_tokens"), get("gen_ai.usage.cache_read_tokens"),
        get("gen_ai.usage.input_tokens.cache_read"), get("gen_ai.usage.input_tokens.cache_input"),
        get("gen_ai.usage.input_tokens.cached"), get("gen_ai.usage.cached_tokens"),
        get("gen_ai.usage.cached_input_tokens"),
        get("gen_ai.usage.input_tokens_details.cached_tokens"),
        get("gen_ai.usage.prompt_tokens_details.cached_tokens"),
    )  # fmt: skip
    draft.count(
        "cache_write", get(names.TOKENS_CACHE_WRITE),
        get("gen_ai.usage.cache_creation.input_tokens"),
        get("gen_ai.usage.cache_creation_input_tokens"),
        get("gen_ai.usage.cache_write_input_tokens"), get("gen_ai.usage.cache_creation_tokens"),
        get("gen_ai.usage.details.cache_write_tokens"), get("gen_ai.usage.cache_write_tokens"),
        get("gen_ai.usage.input_tokens.cache_write"),
    )  # fmt: skip
    draft.count(
        "reasoning", get(names.TOKENS_REASONING), get("gen_ai.usage.reasoning_tokens"),
        get("gen_ai.usage.reasoning.tokens"), get("gen_ai.usage.details.reasoning_tokens"),
        get("gen_ai.usage.output_tokens.reasoning"),
    )  # fmt: skip
    _count_cache_within(draft, as_tokens(get("gen_ai.usage.total_tokens")))


def _count_cache_within(draft: Draft, total: int | None) -> None:
    """Bedrock counts the cache beside the input; its total, which holds both, shows that.

    So does a cache that is more than the input, where a client made up the total itself.
    """
    tokens = draft.tokens
    cached = tokens.get("cache_read", 0) + tokens.get("cache_write", 0)
    told = [tokens[name] for name in ("input", "output") if name in tokens]
    apart = "bedrock" in str(draft.fields.get("provider")).lower()
    more = apart and cached > tokens.get("input", cached)
    if more or (cached and len(told) == 2 and total == sum(told, cached)):
        tokens["input"] += cached


def _first_token(draft: Draft) -> int | None:
    found = seconds(draft.attributes.get(names.FIRST_CHUNK))
    other = draft.attributes.get("gen_ai.server.time_to_first_token")
    if found is None and isinstance(other, int):
        return milliseconds(other)  # Strands writes whole milliseconds, OpenLIT seconds
    return found or seconds(other)


def _read_messages(draft: Draft) -> None:
    draft.messages("input", names.INPUT, _input)
    draft.messages("output", names.OUTPUT, _output)
    draft.payload("system", names.SYSTEM, instructions_of)
    draft.payload("tools", names.TOOL_DEFINITIONS, definitions_of)


def _input(value: Json) -> tuple[Message, ...]:
    return messages_of(value, "user")


def _output(value: Json) -> tuple[Message, ...]:
    return messages_of(value, "assistant")


def finish_from_output(draft: Draft, name: str) -> None:
    """A finish reason that only stands inside the output."""
    if not draft.has("finish_reason"):
        draft.put("finish_reason", finish(finish_of(draft.attributes.get(name))))


def _read_tool(draft: Draft) -> None:
    draft.put("tool", draft.text(names.TOOL_NAME))
    if draft.span.name.startswith(_EXECUTE):
        draft.put("tool", draft.span.name.removeprefix(_EXECUTE))
    call_id = draft.text(names.TOOL_CALL_ID)
    draft.put("call_id", None if call_id == NO_CALL else call_id)
    draft.put("tool_type", draft.text(names.TOOL_TYPE))
    for name in (names.TOOL_ARGUMENTS, "gen_ai.tool.arguments", "gen_ai.tool.input"):
        _prefer_object(draft, name)
        read_arguments(draft, name)
    for name in (names.TOOL_RESULT, "gen_ai.tool.result", "gen_ai.tool.output"):
        read_result(draft, name)


def _prefer_object(draft: Draft, name: str) -> None:
    """Give up a bare value that another dialect has of the arguments for the object of them."""
    known = draft.fields.get("arguments")
    if known is None or isinstance(known, dict):
        return
    told = arguments_of(draft.attributes.get(name))
    if isinstance(told, dict):
        draft.fields["arguments"] = told


def _read_retrieval(draft: Draft) -> None:
    draft.put("query", draft.text(names.RETRIEVAL_QUERY, "gen_ai.retrieval.query"))
    draft.payload("query", names.INPUT, _embedded)
    draft.put("data_source", draft.text(names.DATA_SOURCE, "db.collection.name"))
    draft.payload("documents", names.RETRIEVAL_DOCUMENTS, documents_of)


def _embedded(value: Json) -> str | None:
    """The texts to embed, which OpenLLMetry gives as messages."""
    return "\n".join(text for message in messages_of(value) if (text := message.text)) or None


def _read_memory(draft: Draft) -> None:
    operation = str(draft.fields.get("operation") or "").lower()
    if draft.has("memory"):
        return
    draft.put(
        "memory",
        Memory(
            operation=operation.removesuffix("_memory"),
            store=draft.text(names.MEMORY_STORE, "gen_ai.memory.store.name"),
            key=draft.text(names.MEMORY_RECORD),
            query=draft.text(names.MEMORY_QUERY),
            records=tuple(as_list(draft.attributes.get(names.MEMORY_RECORDS))),
        ),
    )
    draft.put("query", draft.text(names.MEMORY_QUERY))
    draft.take(names.MEMORY_RECORDS)


def _read_guard(draft: Draft) -> None:
    name = draft.text(names.GUARD_NAME, "gen_ai.guardrail.name", "gen_ai.guardrail.component.name")
    draft.put(
        "guard",
        Guard(
            name=name or draft.span.name,
            action=_action(draft),
            stage=draft.text(names.GUARD_STAGE, "gen_ai.guardrail.target.type"),
            reason=draft.text(names.GUARD_REASON, "gen_ai.guardrail.verdict.reason"),
            policy=draft.text(names.GUARD_POLICY, "gen_ai.guardrail.security.policy.id"),
            target_step=as_int(draft.attributes.get(names.GUARD_TARGET_STEP)),
        ),
    )
    draft.put("call_id", draft.text(names.TOOL_CALL_ID))


_ACTIONS = {
    "allow": "allow", "pass": "allow", "passed": "allow", "none": "allow", "allowed": "allow",
    "block": "block", "deny": "block", "denied": "block", "blocked": "block", "reject": "block",
    "rewrite": "rewrite", "redact": "rewrite", "mask": "rewrite", "modify": "rewrite",
    "modified": "rewrite", "sanitize": "rewrite", "route": "route", "review": "review",
    "warn": "review", "flag": "review", "escalate": "review",
}  # fmt: skip


def _action(draft: Draft) -> str:
    for name in (
        names.GUARD_ACTION, "gen_ai.guardrail.action.type", "gen_ai.guardrail.verdict.type",
    ):  # fmt: skip
        word = draft.text(name)
        if word is not None and word.lower() in _ACTIONS:
            return _ACTIONS[word.lower()]
    triggered = as_flag(draft.attributes.get("gen_ai.guardrail.triggered"))
    score = as_number(draft.attributes.get("gen_ai.guardrail.triggered"))
    return "block" if triggered or score else "allow"


def _read_handoff(draft: Draft) -> None:
    draft.put(
        "handoff_from",
        draft.text(
            names.HANDOFF_FROM, "gen_ai.handoff.from_agent", "gen_ai.transfer.source.agent.name",
            "gen_ai.transfer.from", "gen_ai.transfer.from_agent",
        ),
    )  # fmt: skip
    draft.put(
        "handoff_to",
        draft.text(
            names.HANDOFF_TO, "gen_ai.handoff.to_agent", "gen_ai.transfer.target.agent.name",
            "gen_ai.transfer.to", "gen_ai.transfer.to_agent",
        ),
    )  # fmt: skip
