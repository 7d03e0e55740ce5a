"""Logfire's start markers: a span of their own whose parent is the span that has begun."""

import re

from collector.convention import Convention
from collector.reading import genai
from collector.reading.draft import Draft
from collector.reading.kinds import set_kind
from waypost.records import Kind, RawSpan, Status

_NO_SPAN = "0" * 16
_SPAN = re.compile("[0-9a-f]{16}")


def _matches(span: RawSpan) -> bool:
    return span.attributes.get("logfire.span_type") == "pending_span" and bool(span.parent_id)


def _mark(draft: Draft) -> None:
    set_kind(draft, draft.text("gen_ai.operation.name"), unknown=Kind.OTHER)


def _read(draft: Draft) -> None:
    if not _matches(draft.span):
        return
    parent = draft.text("logfire.pending_parent_id")
    draft.put("span_id", draft.span.parent_id)
    known = parent is not None and _SPAN.fullmatch(parent) and parent != _NO_SPAN
    draft.fields["parent_id"] = parent if known else None
    draft.put("marker", True)
    draft.put("status", Status.RUNNING)
    genai.read(draft)


CONVENTION = Convention(
    "logfire", 20, _matches, _mark, _read, names=frozenset({"logfire.span_type"})
)
