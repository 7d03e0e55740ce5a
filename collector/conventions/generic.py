"""Spans without a marker: a guess from what they carry, else kept below their step."""

from collector.convention import Convention
from collector.reading import genai, haystack
from collector.reading.draft import Draft
from collector.reading.indexed import read_messages
from collector.reading.kinds import guess
from waypost.records import Kind, RawSpan


def _matches(_span: RawSpan) -> bool:
    return True


def _never(_span: RawSpan) -> bool:
    return False


def _mark(draft: Draft) -> None:
    draft.kind = haystack.kind_of(draft) or guess(draft)
    draft.put("operation", draft.text("gen_ai.operation.name", "operation.name"))


def _read(draft: Draft) -> None:
    haystack.read(draft)
    genai.read(draft)
    if draft.kind is Kind.LLM:
        read_messages(draft, "input", "gen_ai.prompt.", "")
        read_messages(draft, "output", "gen_ai.completion.", "")


CONVENTION = Convention("generic", 1000, _matches, _mark, _read, _never)
