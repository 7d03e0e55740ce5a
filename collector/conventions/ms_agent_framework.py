"""Microsoft's Agent Framework."""

from collector.convention import Convention
from collector.reading import genai
from collector.reading.draft import Draft
from collector.reading.kinds import set_kind
from collector.reading.values import as_text
from waypost.records import RawSpan

_SCOPES = ("agent_framework", "microsoft.agent_framework")


def _matches(span: RawSpan) -> bool:
    named = as_text(span.attributes.get("gen_ai.operation.name")) is not None
    return named and span.scope_name.startswith(_SCOPES)


def _mark(draft: Draft) -> None:
    set_kind(draft, draft.text("gen_ai.operation.name"))


CONVENTION = Convention(
    "ms_agent_framework", 94, _matches, _mark, genai.read,
    names=frozenset({"gen_ai.operation.name"}),
)  # fmt: skip
