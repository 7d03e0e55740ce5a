"""Runs in which somebody marked the step that broke them, and how well it is found.

`python -m benchmarks.evaluators.blamed` fits the weights of first_bad_step anew.
"""

import json
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from scipy import optimize

from benchmarks.evaluators.corpora import CORPORA
from benchmarks.evaluators.fit import (
    FOLDS,
    MODELS,
    Fitted,
    Recipe,
    data_digest,
    digest_of,
    fit_without,
    fold_of,
    marks_of,
)
from benchmarks.evaluators.metrics import Interval, wilson
from evaluators.blame import VERDICTS, Suspect, find_suspects
from evaluators.evaluator import Evaluator
from evaluators.linear import load_model
from evaluators.registry import find_evaluators
from evaluators.surroundings import Surroundings
from tests.shared import DATA
from tests.unit.evaluators.trajectories import RUN_SETS, Recorded, recorded_runs
from waypost.records import Score

RIDGE = 10.0


@dataclass(frozen=True, slots=True)
class Marked:
    """A broken run: its suspects, which of them was marked, and what the run belongs to."""

    source: str
    group: str
    suspects: tuple[Suspect, ...]
    gold: int


def gold_message(recorded: Recorded) -> int | None:
    """The message that broke a run, as its set marks it; None when it marks none."""
    row, labels = recorded.row, recorded.row["labels"]
    match row["id"].split(":")[0]:
        case "who_and_when":
            found = labels.get("mistake_message")
        case "stepshield":
            found = labels.get("first_rogue_message")
        case "agentrx":
            found = labels.get("root_cause_message")
            if found is None and labels.get("failures"):
                found = labels["failures"][0]["message_index"]
        case _:
            found = (labels.get("derived") or {}).get("first_unmatched_write")
    return None if found is None or row["outcome"].get("pass") else int(found)


def source_of(recorded: Recorded) -> str:
    """The set, and within it the kind of agent."""
    row = recorded.row
    name = str(row["id"]).split(":")[0]
    if name == "who_and_when":
        return f"{name} {row['model']}"
    if name == "agentrx":
        return f"{name} {'magentic' if 'magentic' in row['id'] else 'retail'}"
    return name


def fold_models(root: Path, folder: Path) -> list[str]:
    """A rogue-action model by fold, each without the runs of that fold; else the shipped one."""
    samples = CORPORA["rogue_action"](root)
    if data_digest(samples) != _fitted_on("rogue_action"):
        return ["rogue_action"] * FOLDS
    recipe = Recipe()
    marks = marks_of(samples, recipe)
    paths = []
    for fold in range(FOLDS):
        out = [fold_of(s.group) == fold for s in samples]
        path = folder / f"rogue_{fold}.json"
        fit_without(samples, recipe, marks, out).write(path)
        paths.append(str(path))
    return paths


def _fitted_on(name: str) -> str:
    path = MODELS / f"{name}.json"
    if not path.exists():
        return ""
    card = json.loads(path.read_text("utf-8"))["card"]
    return str(card.get("fitted_on", ""))


def marked_runs(root: Path = DATA, sets: Sequence[str] = RUN_SETS) -> list[Marked]:
    """Every marked run; what was fitted on rogue steps never saw the run it judges."""
    with tempfile.TemporaryDirectory() as folder:
        models = fold_models(root, Path(folder))
        judges = find_evaluators()
        found = []
        for name in sets:
            for recorded in recorded_runs(name, root):
                gold = gold_message(recorded)
                if gold is not None:
                    model = models[fold_of(recorded.row["group"])]
                    found.append(_marked(recorded, gold, judges, model))
        return found


def verdicts_of(recorded: Recorded, judges: Mapping[str, Evaluator], rogue: str) -> list[Score]:
    """The step verdicts that blame weighs."""
    around = Surroundings(recorded.run)
    scores = []
    for name in VERDICTS:
        chosen = {"model": rogue} if name == "unsafe_action" else {}
        for step in recorded.run.steps:
            if judges[name].accepts(step):
                scores += judges[name].judge(step, around, parameters=chosen, version="")
    return scores


def _marked(recorded: Recorded, gold: int, judges: Mapping[str, Evaluator], rogue: str) -> Marked:
    verdicts = tuple(verdicts_of(recorded, judges, rogue))
    suspects = find_suspects(Surroundings(recorded.run, verdicts=verdicts), rogue)
    message = {number: index for index, ns in recorded.steps_of.items() for number in ns}
    places = [message[s.step.number or 0] for s in suspects]
    before = [n for n, index in enumerate(places) if index <= gold]
    place = before[-1] if before else 0
    return Marked(source_of(recorded), recorded.row["group"], tuple(suspects), place)


def _tables(runs: Sequence[Marked]) -> tuple[list[str], list[np.ndarray]]:
    names = sorted({name for run in runs for s in run.suspects for name in s.features})
    tables = [np.array([[s.features[n] for n in names] for s in r.suspects]) for r in runs]
    return names, tables


def fit_weights(runs: Sequence[Marked], ridge: float = RIDGE) -> dict[str, float]:
    """Weights of a conditional logit: which of a run's steps was marked; sets weigh by root n."""
    names, tables = _tables(runs)
    sizes = Counter(r.source for r in runs)
    shares = [10 / np.sqrt(sizes[r.source]) for r in runs]

    def loss(theta: np.ndarray) -> tuple[float, np.ndarray]:
        value, slope = 0.5 * ridge * float(theta @ theta), ridge * theta
        for run, table, share in zip(runs, tables, shares, strict=True):
            margin = table @ theta
            chance = np.exp(margin - margin.max())
            chance /= chance.sum()
            value -= share * float(np.log(chance[run.gold] + 1e-12))
            slope = slope + share * (chance @ table - table[run.gold])
        return value, slope

    found = optimize.minimize(loss, np.zeros(len(names)), jac=True, method="L-BFGS-B")
    return {n: round(float(w), 4) for n, w in zip(names, found.x, strict=True)}


def predicted(run: Marked, weights: Mapping[str, float]) -> int:
    scores = [sum(weights.get(n, 0.0) * v for n, v in s.features.items()) for s in run.suspects]
    return int(np.argmax(scores))


def _first_with(run: Marked, name: str) -> int:
    return next((n for n, s in enumerate(run.suspects) if s.features[name]), 0)


BASELINES: Mapping[str, Callable[[Marked], int]] = {
    "first": lambda run: 0,
    "last": lambda run: len(run.suspects) - 1,
    "middle": lambda run: len(run.suspects) // 2,
    "first failing call": lambda run: _first_with(run, "fails"),
    "first write": lambda run: _first_with(run, "writes"),
}


def _hits(pairs: Sequence[tuple[int, Marked]], slack: int) -> Interval | None:
    return wilson(sum(abs(found - run.gold) <= slack for found, run in pairs), len(pairs))


def _row(how: str, pairs: Sequence[tuple[int, Marked]]) -> Iterator[dict[str, object]]:
    for source in sorted({run.source for _, run in pairs}):
        mine = [pair for pair in pairs if pair[1].source == source]
        exact, near = _hits(mine, 0), _hits(mine, 1)
        assert exact is not None
        assert near is not None
        yield {"how": how, "set": source, "exact": exact, "near": near}


def accuracy(runs: Sequence[Marked]) -> Iterator[dict[str, object]]:
    """Exact and within-one accuracy by set: baselines, cross-validated, and set left out."""
    for name, pick in BASELINES.items():
        yield from _row(name, [(pick(run), run) for run in runs])
    folds = [fit_weights([r for r in runs if fold_of(r.group) != f]) for f in range(FOLDS)]
    yield from _row("cross-validated", [(predicted(r, folds[fold_of(r.group)]), r) for r in runs])
    families = sorted({_family(r) for r in runs})
    left = {f: fit_weights([r for r in runs if _family(r) != f]) for f in families}
    yield from _row("set left out", [(predicted(r, left[_family(r)]), r) for r in runs])


def shipped_accuracy(runs: Sequence[Marked]) -> Iterator[dict[str, object]]:
    """The same for the committed weights, which is honest only on runs they never saw."""
    weights = load_model("first_bad_step").weights
    yield from _row("shipped", [(predicted(r, weights), r) for r in runs])


def _family(run: Marked) -> str:
    """The two tau sets and AgentRx retail share tasks and tools, so they leave together."""
    name = run.source.split(" ")[0]
    return "tau" if name.startswith("tau") or run.source == "agentrx retail" else name


def runs_digest(runs: Sequence[Marked]) -> str:
    return digest_of(f"{r.source}:{r.group}" for r in runs)


def main() -> None:
    runs = marked_runs()
    weights = fit_weights(runs)
    places = {name: n for n, name in enumerate(sorted(weights))}
    card: dict[str, object] = {"fitted_on": runs_digest(runs), "n": len(runs)}
    values = np.array([weights[n] for n in sorted(weights)])
    fitted = Fitted(places, values, 0.0, Recipe(), card)
    fitted.write(MODELS / "first_bad_step.json")
    for row in accuracy(runs):
        print(f"{row['set']:26} {row['how']:18} exact {row['exact']}  ±1 {row['near']}")


if __name__ == "__main__":
    main()
