"""A small fitted text model: weights by word and word pair, read from a file beside this module."""

import json
import math
from collections.abc import Mapping
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
    """A logistic model over the presence of words, word pairs and word pieces.

    A text with fewer features than `shortest` says less by each of them, and not more.
    """

    weights: Mapping[str, float]
    bias: float
    pieces: bool = False
    digest: str = ""
    shortest: int = 1

    def margin(self, text: str) -> float:
        """The model's log odds that the text is of the kind it was fitted to find."""
        found = features(text, pieces=self.pieces)
        total = math.fsum(filter(None, map(self.weights.get, found)))
        return self.bias + total / math.sqrt(max(self.shortest, len(found)))

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
    parts = [_pieces(word) for word in marks] if pieces else []
    marks.update(map(" ".join, pairwise(found)), *parts)
    return marks


@lru_cache(maxsize=1 << 15)
def _pieces(word: str) -> tuple[str, ...]:
    """The parts of a word; agents use few words often."""
    framed = f"<{word}>"
    starts = range(max(1, len(framed) - PIECE + 1))
    return tuple("#" + framed[start : start + PIECE] for start in starts)


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
    return Linear(
        body["weights"], body["bias"], body["pieces"], body["digest"], body.get("shortest", 1)
    )
