"""The GenAI conventions of OpenTelemetry, today's and those before 1.37."""

from collector import moving
from collector.convention import Convention
from collector.reading import genai
from collector.reading.draft import Draft
from collector.reading.kinds import kind_of_word, set_kind
from collector.reading.values import as_text
from waypost import names
from waypost.records import Kind, RawSpan

_PREFIX = "gen_ai."
_OLD = (
    "gen_ai.system", "gen_ai.usage.prompt_tokens", "gen_ai.usage.completion_tokens",
    "gen_ai.usage.cost", "gen_ai.guardrail.name", "gen_ai.guardrail.verdict.type",
    "gen_ai.handoff.to_agent", "gen_ai.handoff.from_agent", "gen_ai.tool.arguments",
    "gen_ai.tool.result", "gen_ai.tool.input", "gen_ai.tool.output",
    "gen_ai.response.finish_reason", "anthropic.message.stop_reason",
)  # fmt: skip
_NAMES = frozenset(
    [*_OLD, *(v for v in vars(names).values() if isinstance(v, str) and v.startswith(_PREFIX))]
)


def _matches(span: RawSpan) -> bool:
    return as_text(span.attributes.get("gen_ai.operation.name")) is not None


def _helps(span: RawSpan) -> bool:
    return not span.attributes.keys().isdisjoint(_NAMES) or any(
        event.name.startswith(_PREFIX) for event in span.events
    )


def _mark(draft: Draft) -> None:
    word = draft.text("gen_ai.operation.name")
    named = draft.text("gen_ai.handoff.to_agent", "gen_ai.handoff.from_agent")
    if kind_of_word(word) is None and named:
        word = "handoff"
    elif kind_of_word(word) is None and draft.text("gen_ai.tool.name"):
        word = "execute_tool"
    set_kind(draft, word, unknown=Kind.SCOPE)


CONVENTION = Convention("genai", 100, _matches, _mark, genai.read, _helps, moving=moving.GENAI)
