"""Strands Agents: the content comes as span events, in an old mode and a new one."""

from collector.convention import Convention
from collector.reading import genai
from collector.reading.draft import Draft
from collector.reading.kinds import set_kind
from collector.reading.values import as_text
from waypost.records import RawSpan

_VENDOR = "strands-agents"


def _matches(span: RawSpan) -> bool:
    attributes = span.attributes
    if _VENDOR not in (attributes.get("gen_ai.system"), attributes.get("gen_ai.provider.name")):
        return False
    return as_text(attributes.get("gen_ai.operation.name")) is not None


def _mark(draft: Draft) -> None:
    set_kind(draft, draft.text("gen_ai.operation.name"))


CONVENTION = Convention(
    "strands", 92, _matches, _mark, genai.read,
    names=frozenset({"gen_ai.system", "gen_ai.provider.name"}),
)  # fmt: skip
