"""CPU of each evaluator an item, over real runs with everything that surrounds them."""

import time
from collections import Counter
from collections.abc import Mapping
from itertools import islice
from pathlib import Path

from evaluators.evaluator import Evaluator, Target
from evaluators.surroundings import Surroundings
from tests.unit.evaluators.trajectories import RUN_SETS, recorded_runs

RUNS_A_SET = 40


def measure_speed(judges: Mapping[str, Evaluator], root: Path) -> Mapping[str, float]:
    """Microseconds of CPU an item by evaluator; views that judges share count for the first."""
    spent: Counter[str] = Counter()
    items: Counter[str] = Counter()
    for name in RUN_SETS:
        for recorded in islice(recorded_runs(name, root), RUNS_A_SET):
            around = Surroundings(recorded.run)
            for judge in judges.values():
                whole = judge.target is Target.TRAJECTORY
                mine = [recorded.run] if whole else recorded.run.steps
                began = time.process_time_ns()
                for item in mine:
                    if whole or judge.accepts(item):  # type: ignore[arg-type]  # steps by then
                        judge.judge(item, around, version="")
                        items[judge.name] += 1
                spent[judge.name] += time.process_time_ns() - began
    return {name: spent[name] / 1000 / max(1, items[name]) for name in spent}
