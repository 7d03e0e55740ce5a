"""Refit every text model from the labelled sets: `python -m benchmarks.evaluators.fit [NAME …]`.

Writes one small file a model under evaluators/models, with a card of what it was fitted on.
"""

import hashlib
import json
import math
import sys
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from scipy import optimize, sparse

from benchmarks.evaluators.corpora import CORPORA, Sample
from benchmarks.evaluators.metrics import auroc
from evaluators.linear import features
from evaluators.text import STOP_WORDS
from tests.shared import DATA, ROOT

MODELS = ROOT / "evaluators" / "models"
FOLDS = 5
SHORT = 60


@dataclass(frozen=True, slots=True)
class Recipe:
    """How one model is fitted: ridge, rarest word kept, and whether parts of words count.

    With `telling` only features that hold a word of meaning are kept: in short texts the way a
    question begins says more about who wrote the set than about the question.
    """

    ridge: float = 0.1
    rarest: int = 3
    pieces: bool = False
    telling: bool = False
    shortest: int = 1


RECIPES: Mapping[str, Recipe] = {
    "unsafe": Recipe(ridge=0.3, rarest=4, pieces=True, shortest=SHORT),
    "harmful_request": Recipe(rarest=2, telling=True, shortest=20),
    "doubtful_request": Recipe(rarest=2),
}


@dataclass(slots=True)
class Fitted:
    """A model as fitted: its vocabulary and weights, ready to score or to be written."""

    vocabulary: Mapping[str, int]
    weights: np.ndarray
    bias: float
    recipe: Recipe
    card: dict[str, object] = field(default_factory=dict)

    def margins(self, texts: Sequence[frozenset[str]]) -> np.ndarray:
        found: np.ndarray = _matrix(texts, self.vocabulary, self.recipe) @ self.weights + self.bias
        return found

    def body(self) -> dict[str, object]:
        """The file's content: weights too small to matter are left out."""
        least = 0.02 * float(np.abs(self.weights).max(initial=0.0))
        weights = {
            word: round(float(self.weights[place]), 3)
            for word, place in self.vocabulary.items()
            if abs(self.weights[place]) > least
        }
        body = {"weights": weights, "bias": round(self.bias, 4), "pieces": self.recipe.pieces}
        if self.recipe.shortest > 1:
            body["shortest"] = self.recipe.shortest
        text = json.dumps(body, sort_keys=True)
        return {**body, "digest": hashlib.blake2b(text.encode(), digest_size=6).hexdigest()}

    def write(self, path: Path) -> None:
        body = {"card": self.card, **self.body()}
        path.write_text(json.dumps(body, ensure_ascii=False, indent=0) + "\n", "utf-8")


def _matrix(
    texts: Sequence[Iterable[str]], vocabulary: Mapping[str, int], recipe: Recipe
) -> sparse.csr_matrix:
    rows, columns, values = [], [], []
    for row, text in enumerate(texts):
        marks = list(text)
        weight = 1 / math.sqrt(max(recipe.shortest, len(marks)))
        known = [vocabulary[m] for m in marks if m in vocabulary]
        rows += [row] * len(known)
        columns += known
        values += [weight] * len(known)
    return sparse.csr_matrix((values, (rows, columns)), shape=(len(texts), len(vocabulary)))


def fit(samples: Sequence[Sample], recipe: Recipe, marks: Sequence[frozenset[str]]) -> Fitted:
    """A logistic model by L-BFGS; every source weighs the same on each side."""
    counts = Counter(mark for found in marks for mark in found)
    kept = sorted(
        mark
        for mark, n in counts.items()
        if n >= recipe.rarest and not (recipe.telling and _says_nothing(mark))
    )
    vocabulary = {mark: place for place, mark in enumerate(kept)}
    table = _matrix(marks, vocabulary, recipe)
    flags = np.array([s.flag for s in samples], dtype=float)
    shares = np.array([s.weight for s in samples])

    def loss(theta: np.ndarray) -> tuple[float, np.ndarray]:
        margin = table @ theta[:-1] + theta[-1]
        error = shares * (1 / (1 + np.exp(-np.clip(margin, -60, 60))) - flags)
        value = (shares * (np.logaddexp(0, margin) - flags * margin)).sum()
        value += 0.5 * recipe.ridge * theta[:-1] @ theta[:-1]
        return float(value), np.append(table.T @ error + recipe.ridge * theta[:-1], error.sum())

    start = np.zeros(len(vocabulary) + 1)
    found = optimize.minimize(loss, start, jac=True, method="L-BFGS-B", options={"maxiter": 300})
    return Fitted(vocabulary, found.x[:-1], float(found.x[-1]), recipe)


def _says_nothing(mark: str) -> bool:
    return all(word in STOP_WORDS for word in mark.split(" "))


def fold_of(group: str) -> int:
    """The fold of a group, the same in every run."""
    return int(hashlib.sha256(group.encode()).hexdigest(), 16) % FOLDS


def marks_of(samples: Sequence[Sample], recipe: Recipe) -> list[frozenset[str]]:
    return [frozenset(features(s.text, pieces=recipe.pieces)) for s in samples]


def fit_without(
    samples: Sequence[Sample],
    recipe: Recipe,
    marks: Sequence[frozenset[str]],
    left_out: Sequence[bool],
) -> Fitted:
    kept = [i for i, out in enumerate(left_out) if not out]
    return fit([samples[i] for i in kept], recipe, [marks[i] for i in kept])


def cross_validated(
    samples: Sequence[Sample], recipe: Recipe, marks: Sequence[frozenset[str]]
) -> dict[str, float | None]:
    """AUROC by source, every group scored by a model that never saw it."""
    folds = [fold_of(s.group) for s in samples]
    margins = np.zeros(len(samples))
    for fold in sorted(set(folds)):
        out = [f == fold for f in folds]
        fitted = fit_without(samples, recipe, marks, out)
        margins[out] = fitted.margins([m for m, o in zip(marks, out, strict=True) if o])
    flagged = sorted({s.source for s in samples if s.flag})
    scored = list(zip(samples, (float(m) for m in margins), strict=True))
    return {source: _against_own(scored, source) for source in _few(flagged)}


def source_left_out(
    samples: Sequence[Sample], recipe: Recipe, marks: Sequence[frozenset[str]]
) -> dict[str, float | None]:
    """AUROC by flagged source, scored by a model that saw neither it nor what it is set against."""
    sources = sorted({s.source for s in samples if s.flag})
    if len(sources) < 2:
        return {}
    figures: dict[str, float | None] = {}
    pooled: list[tuple[Sample, float]] = []
    for source in sources:
        own = any(s.source == source and not s.flag for s in samples)
        out = [s.source == source or _is_spare(s, own=own) for s in samples]
        margins = fit_without(samples, recipe, marks, out).margins(
            [m for m, o in zip(marks, out, strict=True) if o]
        )
        held = [s for s, o in zip(samples, out, strict=True) if o]
        scored = list(zip(held, (float(m) for m in margins), strict=True))
        pooled += scored
        figures[source] = _against_own(scored, source)
    return figures if _few(sources) == sources else {"": _against_own(pooled, "")}


def _is_spare(sample: Sample, *, own: bool) -> bool:
    """Unflagged samples kept back to stand against a source that has none of its own."""
    return not own and not sample.flag and fold_of(sample.group) == 0


def _few(sources: list[str]) -> list[str]:
    """Many small kinds are told as one figure."""
    return sources if len(sources) <= 8 else [""]


def _against_own(scored: Sequence[tuple[Sample, float]], source: str) -> float | None:
    """A source's flagged samples against its own unflagged ones, or all when it has none."""
    flagged = [m for s, m in scored if s.flag and source in ("", s.source)]
    own = [m for s, m in scored if not s.flag and s.source == source]
    others = own or [m for s, m in scored if not s.flag]
    value = auroc(flagged + others, [1] * len(flagged) + [0] * len(others))
    return None if value is None else round(value, 3)


def data_digest(samples: Sequence[Sample]) -> str:
    """Which samples these are, so that a card knows whether a model has seen them."""
    return digest_of(s.group for s in samples)


def digest_of(groups: Iterable[str]) -> str:
    return hashlib.sha256("\n".join(sorted(set(groups))).encode()).hexdigest()[:16]


def refit(name: str, root: Path = DATA) -> Fitted:
    """The model of that name from the labelled sets, with its card."""
    samples, recipe = CORPORA[name](root), RECIPES.get(name, Recipe())
    marks = marks_of(samples, recipe)
    fitted = fit(samples, recipe, marks)
    fitted.card = {
        "fitted_on": data_digest(samples),
        "n": len(samples),
        "flagged": sum(s.flag for s in samples),
        "sources": dict(sorted(Counter(s.source for s in samples).items())),
        "auroc_cross_validated": cross_validated(samples, recipe, marks),
        "auroc_source_left_out": source_left_out(samples, recipe, marks),
    }
    return fitted


def main(names: Sequence[str]) -> None:
    MODELS.mkdir(exist_ok=True)
    for name in names or sorted(CORPORA):
        fitted = refit(name)
        fitted.write(MODELS / f"{name}.json")
        print(name, len(fitted.vocabulary), json.dumps(fitted.card))


if __name__ == "__main__":
    main(sys.argv[1:])
