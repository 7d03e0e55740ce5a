"""How a span ended: its status, its error, and whether it only waits for a person."""

import re
from typing import Final

from collector.reading.draft import Draft
from collector.reading.values import as_flag
from waypost.names import STATUS
from waypost.records import Event, Fault, Status

_INTERRUPT: Final = re.compile(r"(?:<class ')?(?:\w+\.)*GraphInterrupt\b")
_TRACEBACK: Final = "Traceback (most recent call last)"
_FAILED: Final = frozenset({"error", "failed", "failure"})
_CLASS: Final = re.compile(r"([A-Za-z_][\w.]*(?:Error|Exception|Exit|Interrupt|Warning))\(")
_ERROR_CODE: Final = 2
_LONGEST: Final = 2_048
_STATUSES: Final = {s.value: s for s in Status}
_LEVEL: Final = "langfuse.observation.level"
_SAID: Final = "langfuse.observation.status_message"
_WORDS: Final = (
    "gen_ai.task.status", "gen_ai.tool.status", "gen_ai.graph.status", "tool.status",
)  # fmt: skip
_SPEAKING: Final = frozenset({STATUS, "error.type", "langgraph.interrupt", _LEVEL, _SAID, *_WORDS})


def read_outcome(draft: Draft) -> None:
    """Fill status and error from everything that may speak of them."""
    if _is_silent(draft):
        return
    exception = next((e for e in reversed(draft.span.events) if e.name == "exception"), None)
    said = _STATUSES.get(draft.text(STATUS) or "")
    if said is not None:
        draft.fields["status"] = said  # our own word, whatever a result's envelope says
    elif _is_interrupt(draft, exception):
        draft.fields["status"] = Status.INTERRUPTED  # whatever the client calls it
    elif draft.fields.get("status") is Status.ERROR or _has_failed(draft):
        draft.put("status", Status.ERROR)
    if draft.fields.get("status") is Status.ERROR:
        draft.put("error", _fault(draft, exception))
    for index, event in enumerate(draft.span.events):
        if event.name == "exception":
            draft.read_events.add(index)


def _is_silent(draft: Draft) -> bool:
    span = draft.span
    return not (
        span.events
        or span.status_message
        or span.status_code == _ERROR_CODE
        or draft.fields.get("status") is Status.ERROR
    ) and draft.attributes.keys().isdisjoint(_SPEAKING)


def _is_interrupt(draft: Draft, exception: Event | None) -> bool:
    span = draft.span
    texts = [span.status_message, draft.text("error.type"), draft.text(_SAID)]
    if exception is not None:
        about = exception.attributes
        texts += [str(about.get("exception.type")), str(about.get("exception.message"))]
    if any(text and _INTERRUPT.match(text) for text in texts):
        return True
    if as_flag(draft.attributes.get("langgraph.interrupt")):
        return True
    return any(
        e.name == "langgraph.interrupt" or as_flag(e.attributes.get("langgraph.interrupt"))
        for e in span.events
    )


def _has_failed(draft: Draft) -> bool:
    if draft.span.status_code == _ERROR_CODE or draft.text("error.type"):
        return True
    if draft.text(_LEVEL) == "ERROR":
        return True
    return any((draft.text(word) or "").lower() in _FAILED for word in _WORDS)


def _fault(draft: Draft, exception: Event | None) -> Fault:
    attributes = exception.attributes if exception is not None else {}
    kind = draft.text("error.type") or str(attributes.get("exception.type") or "")
    message, stack = _split(str(attributes.get("exception.message") or ""))
    of_result = False
    if not message:
        text, of_result = _said(draft)
        message, more = _split(text)
        stack = stack or more
    stack = str(attributes.get("exception.stacktrace") or "") or stack
    if kind == "Exception" and (named := _CLASS.match(message)):
        kind = named[1]  # LangSmith calls all of them so, and writes the real one's repr
    kind = kind.removeprefix("<class '").removesuffix("'>")
    kind = kind or _kind_in(stack, message)
    if of_result and not kind.endswith(_CLASSES):
        kind = "error"  # what a tool gave back may begin with any word
    return Fault(kind, message, stack)


def _said(draft: Draft) -> tuple[str, bool]:
    """What is said of an error, and whether only what the tool gave back says it."""
    text = draft.span.status_message or draft.text(
        _SAID, "gen_ai.framework.error.message", "error.message", "exception.message",
    )  # fmt: skip
    result = draft.fields.get("result")
    if text or not isinstance(result, str):
        return text or "", False
    return result[:_LONGEST], True


_CLASSES: Final = ("Error", "Exception", "Exit", "Interrupt", "Warning")


def _split(text: str) -> tuple[str, str]:
    """A message without the stack trace some clients append to it, and that trace."""
    at = text.find(_TRACEBACK)
    return (text, "") if at < 0 else (text[:at].strip(), text[at:])


def _kind_in(stack: str, message: str) -> str:
    """The class a traceback ends with, or a message such as `ValueError('…')` begins with."""
    last = stack.rstrip().rpartition("\n")[2].strip() or message
    head = last.partition(":")[0].partition("(")[0]
    if head == last:
        return "error"  # a word alone names no class
    return head if head.replace(".", "").replace("_", "").isalnum() and len(head) < 128 else "error"
