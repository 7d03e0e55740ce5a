"""Measure every evaluator on the labelled sets: `python -m benchmarks.evaluators [NAME …]`.

Prints a line a case and, for the data the models were fitted on, writes the cards and the
reference page. Other data (`WAYPOST_SHARED`) are measured with the shipped models, and printed.
"""

import json
import sys
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from benchmarks.evaluators.blamed import (
    accuracy,
    marked_runs,
    runs_digest,
    shipped_accuracy,
)
from benchmarks.evaluators.cases import CASES
from benchmarks.evaluators.fit import MODELS
from benchmarks.evaluators.instructed import measure_instructions
from benchmarks.evaluators.measured import Figures, fitted_on, measure_all
from benchmarks.evaluators.metrics import Interval
from benchmarks.evaluators.speed import measure_speed
from evaluators.cards import WHERE_IT_FAILS, Card, judged_things, read_cards, render
from evaluators.evaluator import Evaluator
from evaluators.registry import find_evaluators
from tests.shared import DATA, ROOT

CARDS = ROOT / "evaluators" / "cards"
REFERENCE = ROOT / "docs" / "reference" / "evaluators.md"


def main(names: Sequence[str]) -> None:
    judges = find_evaluators()
    wanted = [n for n in names if not n.startswith("-")] or sorted(judges)
    rows: dict[str, list[dict[str, Any]]] = defaultdict(list)
    cases = [c for c in CASES if c.evaluator in wanted]
    for found in measure_all(cases, judges, DATA):
        for figures in found:
            _print(figures)
            rows[figures.evaluator].append(_plain(figures))
    if "prompt_adherence" in wanted:
        rows["prompt_adherence"].append(_instructions())
    if "first_bad_step" in wanted:
        rows["first_bad_step"] += _blamed()
    speed = measure_speed(judges, DATA)
    for name in wanted:
        print(f"{name:22} {speed.get(name, 0.0):8.0f} µs CPU an item of real runs")
    if "--print" not in names:
        _write(judges, wanted, rows, speed)


def _print(f: Figures) -> None:
    name = f"{f.set}: {f.slice}" if f.slice else f.set
    print(
        f"{f.evaluator:22} {name:50} AUROC {f.auroc}  P {f.precision}  R {f.recall}"
        f"  false alarms {f.false_alarms}  abstained {f.abstained}/{f.n}  [{f.honest}]",
        flush=True,
    )


def _plain(figures: Figures) -> dict[str, Any]:
    """The figures as JSON; the times of single runs and examples stay out of the cards."""
    body = asdict(figures)
    for key in ("evaluator", "micros", "wrong"):
        del body[key]
    return {k: _rounded(v) if isinstance(v, dict) else v for k, v in body.items()}


def _rounded(interval: Mapping[str, Any]) -> dict[str, Any]:
    return {k: round(v, 3) if isinstance(v, float) else v for k, v in interval.items()}


def _instructions() -> dict[str, Any]:
    figures = measure_instructions(DATA)
    _print(figures)
    return _plain(figures)


def _blamed() -> list[dict[str, Any]]:
    runs = marked_runs(DATA)
    known = runs_digest(runs) == fitted_on("first_bad_step")
    rows = []
    for row in accuracy(runs) if known else shipped_accuracy(runs):
        exact, near = row["exact"], row["near"]
        assert isinstance(exact, Interval)
        assert isinstance(near, Interval)
        print(f"first_bad_step         {row['set']!s:28} {row['how']!s:20} exact {exact} ±1 {near}")
        rows.append({**row, "exact": _rounded(asdict(exact)), "near": _rounded(asdict(near))})
    return rows


def _write(
    judges: Mapping[str, Evaluator],
    wanted: Sequence[str],
    rows: Mapping[str, Sequence[dict[str, Any]]],
    speed: Mapping[str, float],
) -> None:
    CARDS.mkdir(exist_ok=True)
    for name in wanted:
        judge = judges[name]
        card = Card(
            name=name,
            version=judge.version(),
            claims=judge.sentence,
            judges=judged_things(judge),
            measured=rows.get(name, ()),
            cpu_micros=round(speed[name]) if name in speed else None,
            fails=WHERE_IT_FAILS.get(name, ""),
            models={m: _model_card(m) for m in judge.fitted},
        )
        path = CARDS / f"{name}.json"
        path.write_text(json.dumps(card.as_json(), indent=1, ensure_ascii=False) + "\n", "utf-8")
    REFERENCE.parent.mkdir(parents=True, exist_ok=True)
    REFERENCE.write_text(render(read_cards(), judges), "utf-8")


def _model_card(name: str) -> dict[str, Any]:
    return dict(json.loads((MODELS / f"{name}.json").read_text("utf-8"))["card"])


if __name__ == "__main__":
    main(sys.argv[1:])
