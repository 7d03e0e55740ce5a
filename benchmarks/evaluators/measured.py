"""One case measured: every item judged by models that never saw its group."""

import json
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from benchmarks.evaluators.cases import Case
from benchmarks.evaluators.corpora import CORPORA
from benchmarks.evaluators.fit import (
    FOLDS,
    MODELS,
    RECIPES,
    Recipe,
    data_digest,
    fit_without,
    fold_of,
    marks_of,
)
from benchmarks.evaluators.metrics import Interval, auroc_interval, wilson
from benchmarks.evaluators.sets import Item
from evaluators.evaluator import Evaluator, Target
from evaluators.linear import load_model
from waypost.records import Outcome, Score, Step, Trajectory

LEAST_SLICE = 15


@dataclass(slots=True)
class Figures:
    """What came of one case, or of one slice of it."""

    evaluator: str
    set: str
    slice: str
    n: int
    flagged: int
    abstained: int
    auroc: Interval | None
    precision: Interval | None
    recall: Interval | None
    false_alarms: Interval | None
    honest: str
    note: str = ""
    micros: float = 0.0
    wrong: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Seen:
    """One item judged: its flag, group and slice, how bad it looked, and whether it failed."""

    flag: int
    group: str
    slice: str
    badness: float | None
    failed: bool


class FoldModels:
    """Fitted models by fold, made once; a fold's model never saw the groups of that fold."""

    def __init__(self, folder: Path, root: Path) -> None:
        self._folder, self._root = folder, root
        self._made: dict[str, list[str]] = {}

    def of(self, name: str) -> list[str]:
        """Paths by fold; the shipped model where the data are not those it was fitted on."""
        if name not in self._made:
            samples = CORPORA[name](self._root)
            if data_digest(samples) != fitted_on(name):
                self._made[name] = [name] * FOLDS
            else:
                self._made[name] = list(self._refitted(name))
        return self._made[name]

    def _refitted(self, name: str) -> Iterator[str]:
        samples, recipe = CORPORA[name](self._root), RECIPES.get(name, Recipe())
        marks = marks_of(samples, recipe)
        for fold in range(FOLDS):
            path = self._folder / f"{name}_{fold}.json"
            out = [fold_of(s.group) == fold for s in samples]
            fit_without(samples, recipe, marks, out).write(path)
            yield str(path)


def fitted_on(name: str) -> str:
    """The digest of the groups a committed model was fitted on."""
    card = json.loads((MODELS / f"{name}.json").read_text("utf-8"))["card"]
    return str(card.get("fitted_on", ""))


def measure(case: Case, judge: Evaluator, root: Path, folds: FoldModels) -> list[Figures]:
    """The case as a whole, then each slice that is large enough."""
    models = {parameter: folds.of(name) for parameter, name in case.models.items()}
    _warm(models)
    seen: list[Seen] = []
    wrong: list[str] = []
    spent = 0
    for item in _items(case, judge, root):
        chosen = {p: paths[fold_of(item.group)] for p, paths in models.items()}
        began = time.process_time_ns()
        scores = _judge(judge, item, {**case.parameters, **chosen})
        spent += time.process_time_ns() - began
        seen.append(_seen(item, scores))
        _note_wrong(wrong, item, scores)
    refitted = any(path != name for name in case.models.values() for path in folds.of(name))
    honest = _how(case, refitted)
    whole = _figures(case, "", seen, honest)
    whole.micros, whole.wrong = spent / 1000 / max(1, len(seen)), wrong
    return [whole, *_slices(case, seen, honest)]


def _items(case: Case, judge: Evaluator, root: Path) -> Iterator[Item]:
    """The items of a case, runs taken apart where each step is one by itself."""
    for item in case.items(root):
        run = item.subject
        if case.every_step and judge.target is Target.STEP and isinstance(run, Trajectory):
            yield from (replace(item, subject=s) for s in run.steps if judge.accepts(s))
        else:
            yield item


def _how(case: Case, refitted: bool) -> str:
    if not case.models:
        return "nothing fitted"
    return (
        "cross-validated by group"
        if refitted
        else "shipped model; the data differ from those it was fitted on"
    )


def _warm(models: Mapping[str, Sequence[str]]) -> None:
    for paths in models.values():
        for path in paths:
            load_model(path)


def _judge(judge: Evaluator, item: Item, parameters: Mapping[str, object]) -> list[Score]:
    """The item's scores; an evaluator of steps on a run judges each step it accepts."""
    subject = item.subject
    if isinstance(subject, Trajectory) and judge.target is Target.STEP:
        steps: Sequence[Step] = [s for s in subject.steps if judge.accepts(s)]
        return [
            s
            for step in steps
            for s in judge.judge(step, item.around, parameters=parameters, version="")
        ]
    return judge.judge(subject, item.around, parameters=parameters, version="")


def _seen(item: Item, scores: Sequence[Score]) -> Seen:
    judged = [s for s in scores if s.outcome is not Outcome.ABSTAINED and s.value is not None]
    badness = max((1 - (s.value or 0.0) for s in judged), default=None)
    failed = any(s.is_failed for s in judged)
    return Seen(item.flag, item.group, item.slice, badness, failed)


def _note_wrong(wrong: list[str], item: Item, scores: Sequence[Score]) -> None:
    failed = next((s for s in scores if s.is_failed), None)
    if failed is not None and not item.flag and len(wrong) < 3:
        wrong.append(f"{item.row.get('id')}: {failed.explanation[:120]}")


def _slices(case: Case, seen: Sequence[Seen], honest: str) -> Iterator[Figures]:
    """Each kind of flagged item against all that are not flagged, or against its own."""
    for name in sorted({s.slice for s in seen if s.slice and s.flag}):
        own = [s for s in seen if s.slice == name]
        others = [s for s in seen if not s.flag] if all(s.flag for s in own) else []
        whole = len(own) == len(seen)
        if sum(s.flag for s in own) >= LEAST_SLICE and not whole:
            yield _figures(case, name, [*own, *others], honest)
    for name in sorted({s.slice for s in seen if s.slice and not s.flag}):
        own = [s for s in seen if s.slice == name]
        if len(own) >= LEAST_SLICE and len(own) < len(seen) and not any(s.flag for s in own):
            yield _figures(case, name, own, honest)


def _figures(case: Case, name: str, seen: Sequence[Seen], honest: str) -> Figures:
    judged = [s for s in seen if s.badness is not None]
    hits = sum(s.failed and s.flag for s in judged)
    failed = sum(s.failed for s in judged)
    flagged = sum(s.flag for s in judged)
    return Figures(
        evaluator=case.evaluator,
        set=case.set,
        slice=name,
        n=len(seen),
        flagged=sum(s.flag for s in seen),
        abstained=len(seen) - len(judged),
        auroc=auroc_interval(
            [s.badness or 0.0 for s in judged], [s.flag for s in judged], [s.group for s in judged]
        ),
        precision=None if case.ranking or not flagged else wilson(hits, failed),
        recall=None if case.ranking else wilson(hits, flagged),
        false_alarms=None if case.ranking else wilson(failed - hits, len(judged) - flagged),
        honest=honest,
        note=case.note,
    )


def measure_all(
    cases: Sequence[Case], judges: Mapping[str, Evaluator], root: Path
) -> Iterator[list[Figures]]:
    with tempfile.TemporaryDirectory() as folder:
        folds = FoldModels(Path(folder), root)
        for case in cases:
            yield measure(case, judges[case.evaluator], root, folds)
