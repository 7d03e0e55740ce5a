"""Which cells are out of line: the sentence the home page begins with, and the grid below it."""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from ui import subjects, words
from waypost.rates import Change, Rate, change, percent
from waypost.store.rates import Compared
from waypost.store.reviews import PREFIX

FEW = 30
_LEAST = 20
_PLAIN = 0.25  # a rate surely above it fails whatever there is to compare it with
_CHANCE = 0.01


@dataclass(frozen=True, slots=True)
class Row:
    """One cohort of the grid, with a cell for each evaluator."""

    values: Mapping[str, str]
    cells: Mapping[str, Compared]

    @property
    def label(self) -> str:
        return words.cohort(self.values)

    @property
    def n(self) -> float:
        judged = (c for c in self.cells.values() if not subjects.of_runs(c.evaluator))
        return max((c.change.after.n for c in judged), default=0.0)

    @property
    def worst_change(self) -> float:
        return max((c.change.low for c in self.cells.values()), default=-1.0)

    @property
    def worst_rate(self) -> float:
        return max((c.change.after.low for c in self.cells.values()), default=0.0)


def is_judge(evaluator: str) -> bool:
    """People's verdicts have a screen of their own."""
    return not evaluator.startswith(PREFIX)


def grid(
    found: Sequence[Compared], findings: Sequence["Finding"] = ()
) -> tuple[list[Row], list[str]]:
    """Rows by cohort and evaluators, worst first; without people and who never judged."""
    rows: dict[tuple[str, ...], dict[str, Compared]] = {}
    values: dict[tuple[str, ...], Mapping[str, str]] = {}
    worst: dict[str, float] = {f.cell.evaluator: 1 + f.against.low for f in reversed(findings)}
    for one in found:
        if is_judge(one.evaluator) and one.change.after.n:
            key = tuple(one.values.values())
            rows.setdefault(key, {})[one.evaluator] = one
            values[key] = one.values
            worst[one.evaluator] = max(worst.get(one.evaluator, 0.0), one.change.after.low)
    made = [Row(values[key], cells) for key, cells in rows.items()]
    return made, sorted(worst, key=lambda name: (-worst[name], name))


def telling(rows: Sequence[Row], evaluators: Sequence[str]) -> list[str]:
    """The evaluators that found any failure, now or in the window before."""

    def fails(name: str) -> bool:
        cells = (row.cells[name].change for row in rows if name in row.cells)
        return any(c.after.k or c.before.k for c in cells)

    return [name for name in evaluators if fails(name)]


ORDERS = {
    "worst change": lambda row: -row.worst_change,
    "worst rate": lambda row: -row.worst_rate,
    "most verdicts": lambda row: -row.n,
    "name": lambda row: row.label,
}


@dataclass(frozen=True, slots=True)
class Finding:
    """A cell out of line, and what it was held against: its past, or the same judge elsewhere."""

    cell: Compared
    against: Change
    is_new: bool

    def sentence(self, since: str | None = None, other: str = "") -> str:
        """What fails where, how much, since when, and what it was, or is with another value."""
        base, began = self.against.before.share, f", since {since}" if since else ""
        than = f"with {other}" if other else "was"
        was = "elsewhere" if self.is_new else than
        where, fails = words.cohort(self.cell.values), subjects.is_failing(self.cell.evaluator)
        past = "" if base is None else f" ({was} {percent(base)})"
        return f"{fails} {where}: {words.rate(self.against.after)}{began}{past}"


def out_of_line(found: Sequence[Compared]) -> list[Finding]:
    """Cells surely worse than usual though many were looked at, largest change first.

    A cohort that is new, such as a prompt that just went live, is held against the same
    evaluator in the other cohorts.
    """
    everyone = [c for c in found if is_judge(c.evaluator)]
    judges = [c for c in everyone if c.change.after.n >= _LEAST]
    elsewhere = _elsewhere(everyone)
    # What runs do and what judges say are two questions: neither makes the other's bar higher.
    family = Counter(subjects.of_runs(one.evaluator) for one in judges)
    worse = []
    for one in judges:
        is_new = one.change.before.n < FEW
        against = change(elsewhere(one), one.change.after) if is_new else one.change
        chance = _CHANCE / family[subjects.of_runs(one.evaluator)]
        alone = against.before.n < _LEAST and against.after.low > _PLAIN
        if alone or (against.is_worse and against.p < chance):
            worse.append(Finding(one, against, is_new))
    return sorted(worse, key=_worst_first)


def _worst_first(found: Finding) -> tuple[float, float, bool]:
    """Of equals errors come before the judge that was told of them."""
    is_judged = not subjects.of_runs(found.cell.evaluator)
    return -round(found.against.low, 6), -found.against.after.low, is_judged


def _elsewhere(judges: Sequence[Compared]) -> Callable[[Compared], Rate]:
    totals: dict[str, tuple[float, float]] = {}
    for one in judges:
        k, n = totals.get(one.evaluator, (0.0, 0.0))
        totals[one.evaluator] = (k + one.change.after.k, n + one.change.after.n)

    def rest(one: Compared) -> Rate:
        k, n = totals[one.evaluator]
        return Rate.of(k - one.change.after.k, n - one.change.after.n)

    return rest


def all_well(found: Sequence[Compared]) -> str:
    """No cell is out of line: said with numbers."""
    judges = [
        c.change.after for c in found if is_judge(c.evaluator) and not subjects.of_runs(c.evaluator)
    ]
    n, k = sum(r.n for r in judges), sum(r.k for r in judges)
    total = Rate.of(k, n)
    if not n:
        return "No verdicts in this window."
    if k == 0:
        return f"0 of {n:,.0f} verdicts failed; the interval reaches to {percent(total.high)}."
    return (
        f"Nothing is out of line: {k:,.0f} of {n:,.0f} verdicts failed "
        f"({percent(total.share or 0.0)}, interval {words.interval(total)})."
    )


def shown(change_mode: bool, one: Compared) -> str:
    """The text in a cell of the grid: a rate, or how many points it moved."""
    if change_mode and one.change.difference is not None:
        return f"{one.change.difference * 100:+.0f}"
    return f"{(one.change.after.share or 0.0) * 100:.0f} %"


def table(rows: Sequence[Row], evaluators: Sequence[str]) -> list[dict[str, object]]:
    """The same numbers for a table and for export: share, n and interval of each cell."""
    lines: list[dict[str, object]] = []
    for row in rows:
        for name in evaluators:
            one = row.cells.get(name)
            if one is None:
                continue
            after, before = one.change.after, one.change.before
            lines.append(
                {
                    "cohort": row.label,
                    "evaluator": words.one_line(name, 80),
                    "fail rate": None if after.share is None else round(after.share * 100, 2),
                    "failed": after.k,
                    "n": after.n,
                    "low": round(after.low * 100, 2),
                    "high": round(after.high * 100, 2),
                    "before": None if before.share is None else round(before.share * 100, 2),
                    "n before": before.n,
                }
            )
    return lines
