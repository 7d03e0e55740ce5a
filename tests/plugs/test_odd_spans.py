"""Recorded spans with something odd put into them: every convention still reads them."""

import copy
import json
import random
from collections.abc import Iterator
from dataclasses import replace
from typing import Any, Final, TypeAlias

import pytest

from collector.convention import UNREAD, Reader
from collector.masking import Masker
from tests.samples import conventions, spans_of
from waypost.records import Json, RawSpan
from waypost.store.codec import Codec, Names
from waypost.store.history import History
from waypost.store.ingest import Batch

Where: TypeAlias = tuple[str | int, ...]
ODD: Final[tuple[Json, ...]] = (
    "", "²", "٣", "12²", "-1", 0, -1, 2**62, 2**63 - 1, True, False, None, 1.5, 1e308, [], {}, [[]],
    [{}], [None], {"": None}, {"type": "text"}, {"type": []}, {"role": {}}, "null", "[]", "{}",
    "[1,2", '{"a":', "\\u0000", "𝟘", "1e999", "-", "NaN", "\u202e", "x" * 300,
    ["a", {"b": ["c"]}], {"id": 1, "name": {}, "arguments": [[1]]},
    [{"type": "tool_call", "id": [], "name": None}], '{"messages": [[{}]]}', "data:;base64,²",
    "Infinity", "0x10", "1_0", [1, "a", None, {"role": "tool"}], {"kwargs": None},
    {"lc": 1, "type": "constructor", "id": 5, "kwargs": []},
)  # fmt: skip
MOST: Final = 600


def places(value: Json, path: Where = ()) -> Iterator[Where]:
    """Where every value within a value is, its own place too."""
    yield path
    if isinstance(value, dict):
        for name, inner in value.items():
            yield from places(inner, (*path, name))
    elif isinstance(value, list):
        for index, inner in enumerate(value):
            yield from places(inner, (*path, index))


def put(value: Any, path: Where, new: Json) -> Any:
    if not path:
        return new
    changed = copy.copy(value)
    changed[path[0]] = put(value[path[0]], path[1:], new)
    return changed


def made_odd(value: Json, chance: random.Random) -> Json:
    """Another value, or the same JSON with other values somewhere in it."""
    if not isinstance(value, str) or value[:1] not in ("[", "{") or chance.random() < 0.15:
        return chance.choice(ODD)
    try:
        inner = json.loads(value)
    except ValueError:
        return chance.choice(ODD)
    for _ in range(chance.choice((1, 1, 2, 4))):
        inner = put(inner, chance.choice(list(places(inner))), chance.choice(ODD))
    return json.dumps(inner)


def odd_attributes(sent: dict[str, Json], chance: random.Random) -> dict[str, Json]:
    changed = dict(sent)
    for name in chance.sample(list(sent), min(len(sent), chance.choice((1, 1, 2, 3)))):
        value = changed.pop(name)
        if "0" in name and chance.random() < 0.3:
            changed[name.replace("0", chance.choice(("²", "٣", "01", "x", "")))] = value
        else:
            changed[name] = made_odd(value, chance)
    return changed


def made_odd_somewhere(span: RawSpan, chance: random.Random) -> RawSpan:
    if not span.events or chance.random() < 0.7:
        return replace(span, attributes=odd_attributes(dict(span.attributes), chance))
    at = chance.randrange(len(span.events))
    event = span.events[at]
    odd = replace(event, attributes=odd_attributes(dict(event.attributes), chance))
    return replace(span, events=(*span.events[:at], odd, *span.events[at + 1 :]))


@pytest.mark.slow
@pytest.mark.parametrize("convention", conventions())
def test_an_odd_value_in_a_recorded_span_is_read_masked_and_made_rows(convention: str) -> None:
    chance = random.Random(convention)
    reader, masker = Reader(), Masker("standard", key=b"k" * 32)
    spans = spans_of(convention)
    for span in (made_odd_somewhere(s, chance) for s in chance.choices(spans, k=MOST)):
        reading = masker.reading(reader.read(span))
        assert not [n for n in reading.step.notes if n.startswith(UNREAD)], span.attributes
        batch = Batch(History(), Codec(), Names())
        assert batch.put(1, [reading], keep_days=10_000).refused == []
