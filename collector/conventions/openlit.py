"""OpenLIT."""

from collector.convention import Convention
from collector.reading import genai
from collector.reading.draft import Draft
from collector.reading.kinds import set_kind
from collector.reading.messages import messages_of
from collector.reading.values import as_dict, as_text
from waypost.records import Json, Kind, Message, RawSpan

_IN, _OUT = "gen_ai.workflow.input", "gen_ai.workflow.output"


def _matches(span: RawSpan) -> bool:
    attributes = span.attributes
    return (
        "gen_ai.sdk.version" in attributes
        and as_text(attributes.get("gen_ai.operation.name")) is not None
    )


def _mark(draft: Draft) -> None:
    set_kind(draft, draft.text("gen_ai.operation.name"))


def _read(draft: Draft) -> None:
    genai.read(draft)
    if draft.kind is Kind.LLM and draft.fields.get("provider") == "anthropic":
        _count_cache_within(draft)
    if draft.kind is Kind.AGENT:
        draft.payload("input", _IN, _asked)
        draft.payload("output", _OUT, _answered)
    draft.shorten(_IN, _OUT)


def _count_cache_within(draft: Draft) -> None:
    """Anthropic's own count of the input, which leaves out the cache, is passed on as it is."""
    tokens = draft.tokens
    if "input" in tokens:
        tokens["input"] += tokens.get("cache_read", 0) + tokens.get("cache_write", 0)


def _asked(value: Json) -> tuple[Message, ...] | None:
    return messages_of(as_dict(value).get("messages")) or None


def _answered(value: Json) -> tuple[Message, ...] | None:
    return messages_of(as_dict(value).get("messages"), "assistant")[-1:] or None


CONVENTION = Convention(
    "openlit", 97, _matches, _mark, _read, names=frozenset({"gen_ai.sdk.version"})
)
