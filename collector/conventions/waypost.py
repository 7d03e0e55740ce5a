"""Our own contract: `agent.trajectory` and `agent.trajectory.step`."""

import re
from collections.abc import Mapping
from typing import Final

from collector import moving
from collector.convention import Convention
from collector.reading import genai
from collector.reading.draft import Draft
from collector.reading.kinds import guess, kind_of_word
from collector.reading.values import as_flag, as_int, as_list, as_text
from waypost import names
from waypost.records import Human, Kind, RawSpan, Status

_KINDS = {kind.value: kind for kind in Kind} | {"final": Kind.LLM}
_SPANS = (names.SPAN_STEP, names.SPAN_TRAJECTORY)


def _matches(span: RawSpan) -> bool:
    attributes = span.attributes
    return names.STEP in attributes or names.SCHEMA in attributes or span.name in _SPANS


def _mark(draft: Draft) -> None:
    word = draft.text(names.OPERATION)
    kind = _KINDS.get((draft.text(names.KIND) or "").lower())
    if kind is None and names.STEP not in draft.attributes and draft.span.name != names.SPAN_STEP:
        kind = Kind.AGENT
    if kind is None:
        kind = kind_of_word(word) or guess(draft)
    draft.kind = Kind.SCOPE if kind is Kind.OTHER else kind
    draft.put("operation", word)


def _read(draft: Draft) -> None:
    for field, name in _NUMBERS:
        value = as_int(draft.attributes.get(name))
        if value is not None and value > 0:
            draft.put(field, value)
    draft.put("trajectory_id", _trajectory_id(draft))
    draft.put("route", draft.text(names.ROUTE))
    fallbacks = as_list(draft.attributes.get(names.FALLBACKS))
    draft.put("fallbacks", tuple(t for f in fallbacks if (t := as_text(f))))
    if as_flag(draft.attributes.get(names.EXECUTED)) is False:
        draft.put("executed", False)
    _read_delta(draft)
    if draft.kind is Kind.HUMAN:
        _read_human(draft)
    _read_notes(draft)
    genai.read(draft)
    if draft.text(names.STATUS) == Status.RUNNING.value:
        draft.put("marker", True)


_NUMBERS = (
    ("number", names.STEP),
    ("turn", names.TURN),
    ("attempt", names.ATTEMPT),
    ("parent_step", names.PARENT_STEP),
    ("total_steps", names.STEPS),
    ("final_step", names.FINAL_STEP),
)


def _trajectory_id(draft: Draft) -> str | None:
    found = (draft.text(names.TRAJECTORY_ID) or "").lower()
    return found if _ID.fullmatch(found) else None


def _read_delta(draft: Draft) -> None:
    base = as_int(draft.attributes.get(names.BASE_STEP))
    keep = as_int(draft.attributes.get(names.KEEP))
    if base is not None and keep is not None and base > 0 and keep >= 0:
        draft.put("input_base", base)
        draft.fields["input_keep"] = keep


def _read_human(draft: Draft) -> None:
    decision = draft.text(names.HUMAN_DECISION) or "respond"
    reviewer, comment = draft.text(names.HUMAN_REVIEWER), draft.text(names.HUMAN_COMMENT)
    draft.put("human", Human(decision, reviewer, comment))
    if names.TOOL_ARGUMENTS in draft.attributes:
        draft.put("arguments_from", "human")


def _read_notes(draft: Draft) -> None:
    for entry in as_list(draft.attributes.get(names.TRUNCATED)):
        if text := as_text(entry):
            draft.notes.append(f"truncated:{text}")


_ID: Final = re.compile("[0-9a-f]{32}")
_MOVING: Final[Mapping[str, moving.Mover]] = {
    **{name: moving.number(field) for field, name in _NUMBERS},
    names.BASE_STEP: moving.number("input_base"),
    names.KEEP: moving.number("input_keep", 0),
    names.TRAJECTORY_ID: moving.Name("trajectory_id", shape=_ID),
    **moving.GENAI,  # but for messages, of which only new ones are sent
    names.INPUT: moving.messages("input", "user"),
    names.OUTPUT: moving.messages("output", "assistant"),
}

CONVENTION = Convention("waypost", 10, _matches, _mark, _read, moving=_MOVING)
