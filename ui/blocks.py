"""What can be painted of a screen before Streamlit is there: plain values that `first.js` draws."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from ui.widgets.text import Tone, plain
from waypost.records import Json

Block: TypeAlias = Json
Links: TypeAlias = Sequence[tuple[str, str, bool]]


@dataclass(frozen=True, slots=True)
class Answer:
    """The sentence a screen begins with, its tone, and what stands below it."""

    sentence: str
    detail: str
    tone: Tone


def answer(given: Answer, buttons: Links = ()) -> Block:
    """The sentence, and its buttons: where each leads, and whether it is the main one."""
    return {
        "kind": "answer", "sentence": plain(given.sentence), "detail": plain(given.detail, 800),
        "tone": given.tone,
        "buttons": [list(one) for one in buttons],
    }  # fmt: skip


def mute(text: str) -> Block:
    """A remark."""
    return {"kind": "mute", "text": plain(text)}


def notes(texts: Sequence[str]) -> Block:
    """What a reader should know of the figures, each in a box."""
    return {"kind": "notes", "texts": [plain(one) for one in texts]}


def lines(texts: Sequence[str]) -> Block:
    """Several short texts below one another."""
    return {"kind": "lines", "texts": [plain(one, 400) for one in texts]}


def controls(named: Sequence[tuple[str, int]]) -> Block:
    """The places of controls that cannot be used yet, by label and width."""
    return {"kind": "controls", "named": [list(one) for one in named]}


def chips(texts: Sequence[str]) -> Block:
    """The filters that came with a link."""
    return {"kind": "chips", "texts": [plain(one, 80) for one in texts]}


def component(name: str, data: Mapping[str, Json], hrefs: Json) -> Block:
    """One of our components with its data, and where a choice in it leads."""
    return {"kind": "component", "name": name, "data": dict(data), "hrefs": hrefs}
