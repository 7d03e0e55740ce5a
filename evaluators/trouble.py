"""What the result of a call says of trouble, and whether a later call of the same got over it."""

import re
from collections.abc import Mapping, Sequence
from pathlib import PurePath

from evaluators.actions import as_record, gives_texts, has_failed, is_console
from evaluators.text import as_text, leaves
from waypost.records import Json, Step

TROUBLE = re.compile(
    r"\b(?:error|fail(?:ed|ure|ing|s)?|fatal|crash\w*|exception|traceback|unhealthy|denied|refused"
    r"|timed? ?out|abort(?:ed)?|corrupt\w*|0/\d+|exit code [1-9]|HTTP/?\d* ?[45]\d\d|✗|panic)\b",
    re.IGNORECASE,
)
NO_TROUBLE = re.compile(r"\b(?:0|no) (?:errors?|fail(?:ed|ures?))|without errors?", re.IGNORECASE)
COUNTS = frozenset({"error", "errors", "exception", "failed", "failure", "failures", "fatal"})
_TELLS = (
    "conclusion detail health log logs message outcome output result state status stderr stdout"
)
TELLS = frozenset(_TELLS.split())
MOVES = re.compile(r"\s*cd\s[^\n;&|]*(?:&&|;)\s*")


def find_trouble(step: Step) -> str | None:
    """The word in which a result speaks of trouble; empty when the call failed without one.

    Of a record only what it says of the call counts, not what it is about: a ticket may be
    called "Login error". Nor do texts that were searched or read speak of the call.
    """
    record = as_record(step.result)
    if record is not None:
        said = _said(record)
    else:
        listing = isinstance(step.result, list) or gives_texts(step)
        said = "" if listing else as_text(step.result)[:4000]
    match = TROUBLE.search(NO_TROUBLE.sub("", said))
    if match is not None:
        return match.group()
    return "" if has_failed(step) else None


def _said(record: Mapping[str, Json]) -> str:
    told = []
    for key, value in record.items():
        name = key.lower()
        if name in COUNTS and value and value != "0":
            told.append(f"{name}: {as_text(value)[:1000]}")
        elif name in TELLS and isinstance(value, str):
            told.append(value[:4000])
    return "\n".join(told)


def was_got_over(step: Step, later: Sequence[Step]) -> bool:
    """Whether the last later call of the same command went without trouble."""
    again = next((s for s in reversed(later) if _is_same(step, s)), None)
    return again is not None and find_trouble(again) is None


def _is_same(one: Step, other: Step) -> bool:
    """Equal tools; of commands, equal programs of which one was called with more words."""
    if one.tool != other.tool:
        return False
    if not is_console(one):
        return True
    mine, others = _command(one), _command(other)
    if not mine or not others or mine[0] != others[0]:
        return False
    return set(mine) <= set(others) or set(others) <= set(mine)


def _command(step: Step) -> list[str]:
    """The words of a command without options and the change of folder before it."""
    texts = (v for _, v in leaves(step.arguments) if isinstance(v, str))
    found = MOVES.sub("", next(texts, ""), count=1)[:2000].split()
    words = [w for w in found if not w.startswith("-")]
    return [PurePath(words[0]).name, *words[1:]] if words else []
