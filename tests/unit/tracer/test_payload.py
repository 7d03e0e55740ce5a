"""Values become bounded, clean JSON, whatever they are."""

import datetime as dt
import enum
import json
import uuid
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import BaseModel

from tracer.payload import Content, Draft, Piece, safe
from waypost import names


class Colour(enum.Enum):
    RED = "red"


@dataclass
class Point:
    x: int
    y: Any = None


class Model(BaseModel):
    name: str


class Sly(BaseModel):
    """A model that cannot be dumped."""

    def model_dump(self, **_: Any) -> dict[str, Any]:
        raise RuntimeError("no")


@pytest.mark.parametrize(
    ("value", "shape"),
    [
        (Colour.RED, "red"),
        (Point(1, Point(2)), {"x": 1, "y": {"x": 2, "y": None}}),
        (Model(name="n"), {"name": "n"}),
        (dt.date(2026, 11, 20), "2026-11-20"),
        (uuid.UUID(int=1), "00000000-0000-0000-0000-000000000001"),
        (Path("/a"), "/a"),
        (bytearray(b"ab"), "<2 bytes>"),
        (frozenset([1]), [1]),
        (float("inf"), "inf"),
        ({1: {None: True}}, {"1": {"null": True}}),
        ((1, [2, "x"]), [1, [2, "x"]]),
    ],
)
def test_known_things_have_a_shape(value: Any, shape: Any) -> None:
    assert safe(value) == shape
    piece = Content("off").json(value)
    assert piece is not None
    assert json.loads(piece.text) == shape


def test_a_model_that_cannot_be_dumped_is_represented() -> None:
    assert isinstance(safe(Sly()), str)


@pytest.mark.parametrize("limit", [1000, 5000])
@pytest.mark.parametrize(
    "value",
    [
        {"a": "x" * 100_000, "b": "y" * 100_000},
        ["z" * 50] * 10_000,
        {f"k{n}": list(range(50)) for n in range(500)},
        {"ü" * 30_000: "ü" * 30_000},
        [[["deep"] * 100] * 100],
    ],
    ids=["texts", "items", "keys", "wide", "nested"],
)
def test_what_is_too_long_is_cut_and_stays_json(value: Any, limit: int) -> None:
    piece = Content("off", limit=limit).json(value)
    assert piece is not None
    assert len(piece.text.encode()) <= limit
    assert piece.cut_from > limit
    json.loads(piece.text)


def test_a_text_is_cut_at_a_character() -> None:
    piece = Content("off", limit=1001).text("ü" * 5000)
    assert piece is not None
    assert piece.text == "ü" * 500
    assert piece.cut_from == 10_000


def test_a_draft_notes_what_happened_to_its_pieces() -> None:
    draft = Draft()
    draft.put("a", Piece("x", {"EMAIL": 1}, 99))
    draft.put("b", Piece("y", {"EMAIL": 2, "CARD": 1}))
    draft.put("c", None)
    assert draft.seal() == {
        "a": "x",
        "b": "y",
        names.REDACTED: ["CARD=1", "EMAIL=3"],
        names.TRUNCATED: ["a=99"],
    }


def test_without_content_nothing_is_made() -> None:
    content = Content(enabled=False)
    assert content.text("a") is None
    assert content.json({"a": 1}) is None
    assert content.message("mara@example.com") == "[EMAIL]"


def test_ones_own_redaction_sees_each_text_in_json() -> None:
    content = Content(lambda text: text.replace("Waldo", "?"))
    piece = content.json({"a": ["Waldo", 1, None, {"b": "Waldo and Waldo"}]})
    assert piece == Piece('{"a":["?",1,null,{"b":"? and ?"}]}', {"CUSTOM": 2})
    assert content.text("[not json, Waldo") == Piece("[not json, ?", {"CUSTOM": 1})


ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.binary(),
    lambda inner: (
        st.lists(inner, max_size=5)
        | st.dictionaries(st.text() | st.integers() | st.none(), inner, max_size=5)
        | st.tuples(inner, inner)
    ),
    max_leaves=20,
)


@given(ANYTHING)
@settings(deadline=None, max_examples=200)
def test_anything_becomes_json_that_can_be_sent(value: Any) -> None:
    piece = Content(limit=2000).json(value)
    assert piece is not None
    json.loads(piece.text)
    assert len(piece.text.encode("utf-8")) <= 2000
