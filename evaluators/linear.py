"""A small fitted text model: weights by word and word pair, read from a file beside this module."""

import json
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from importlib.resources import files
from itertools import pairwise
from pathlib import Path

from evaluators.text import WORD, Span, sentences
from waypost.errors import NotFound

LONGEST = 20_000
PIECE = 4
MOST_SENTENCES = 200


@dataclass(frozen=True, slots=True)
class Linear:
    """A logistic model over the presence of words, word pairs and word pieces."""

    weights: Mapping[str, float]
    bias: float
    pieces: bool = False
    digest: str = ""

    def margin(self, text: str) -> float:
        """The model's log odds that the text is of the kind it was fitted to find."""
        found = features(text, pieces=self.pieces)
        total = sum(self.weights.get(f, 0.0) for f in found)
        return self.bias + total / math.sqrt(max(1, len(found)))

    def strongest(self, text: str) -> Span | None:
        """The sentence that speaks most for the verdict."""
        spans = [s for s, _ in zip(sentences(text[:LONGEST]), range(MOST_SENTENCES), strict=False)]
        return max(spans, key=lambda s: self.margin(s.text), default=None)


def sigmoid(value: float) -> float:
    return 1 / (1 + math.exp(-max(-60.0, min(60.0, value))))


def features(text: str, *, pieces: bool = False) -> set[str]:
    """The words and neighbouring pairs of a text, each once; with `pieces` parts of words too."""
    found = [w[:40] for w in WORD.findall(text[:LONGEST].lower())]
    marks = set(found)
    marks.update(f"{a} {b}" for a, b in pairwise(found))
    if pieces:
        for word in set(found):
            marks.update(_pieces(word))
    return marks


def _pieces(word: str) -> Iterator[str]:
    framed = f"<{word}>"
    for start in range(max(1, len(framed) - PIECE + 1)):
        yield "#" + framed[start : start + PIECE]


@lru_cache(maxsize=32)
def load_model(name: str) -> Linear:
    """The fitted model of that name beside the evaluators, or at that path."""
    path = Path(name)
    try:
        if path.is_absolute():
            text = path.read_text("utf-8")
        else:
            text = files("evaluators").joinpath("models", f"{name}.json").read_text("utf-8")
    except OSError as error:
        raise NotFound(
            f"No fitted model {name!r}: run python -m benchmarks.evaluators.fit"
        ) from error
    body = json.loads(text)
    return Linear(body["weights"], body["bias"], body["pieces"], body["digest"])
