"""From changed runs to state changes: one item a session, one detector row a cohort.

The server feeds what is new, the preview feeds the history: the same class, so that both agree.
Nothing here depends on how the runs are cut into batches.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from evaluators.alerts.rules import Rule
from waypost import cusum, rates
from waypost.cusum import Detector, Pool
from waypost.replays import are_asked_for, is_replay
from waypost.store.feed import Counted, RunChange

Label = tuple[str, ...]
Labels = Mapping[int, Mapping[str, str]]
Sessions = dict[str, dict[str, Counted]]

HOUR = 3600
_WEEK_HOURS = 168
_SESSION_HOURS = 24
_NOT_A_SESSION = 50
_LATE = 6 * HOUR
_PATIENCE, _MISSED = 6, 20
_KNOWN = 20.0


@dataclass(frozen=True, slots=True)
class Item:
    """What one run adds to one cohort: `k` failures of `n` items, arrived `at`, begun `when`."""

    at: float
    label: Label
    k: float
    n: float
    when: float
    trace_id: str


@dataclass(frozen=True, slots=True)
class Turn:
    """A cohort went out of line (`fired`) or came back, with its row at that moment.

    `gone`: it did not come back, but nothing of it comes any more.
    """

    label: Label
    at: float
    fired: bool
    row: Mapping[str, float]
    gone: bool = False


@dataclass(slots=True)
class Common:
    """What the cohorts of a rule share, and the clock by which it is renewed each hour."""

    pool: Pool = field(default_factory=Pool)
    hour: int = 0
    items: float = 0.0
    hours: float = 0.0
    clock: float = 0.0

    def as_json(self) -> dict[str, object]:
        return {**asdict(self.pool), "hour": self.hour, "items": self.items,
                "hours": self.hours, "clock": self.clock}  # fmt: skip

    @classmethod
    def from_json(cls, value: Mapping[str, Any] | None) -> "Common":
        if not value:
            return cls()
        pool = Pool(value["share"], value["weight"], value["weekly"])
        return cls(pool, value["hour"], value["items"], value["hours"], value["clock"])


class Tracker:
    """One rule over all its cohorts."""

    def __init__(
        self,
        rule: Rule,
        *,
        common: Common | None = None,
        cells: Mapping[Label, Sequence[float]] | None = None,
    ) -> None:
        self.rule = rule
        self.common = common or Common()
        # A row of other fields was written by another version: its cohort starts anew.
        known = {
            label: cell for label, cell in (cells or {}).items() if len(cell) == len(cusum.FIELDS)
        }
        self.places: dict[Label, int] = {label: n for n, label in enumerate(known)}
        table = cusum.new_cells(len(known))
        for n, cell in enumerate(known.values()):
            table[n] = tuple(cell)
        self._detector = Detector(rule.watch, self.common.pool, table)
        self.touched: set[Label] = set()

    @property
    def cells(self) -> Any:
        return self._detector.cells

    def cell(self, label: Label) -> dict[str, float]:
        """The row of one cohort by field."""
        row = self.cells[self.places[label]]
        return {name: float(row[name]) for name in cusum.FIELDS}

    def row(self, label: Label) -> list[float]:
        """The row of one cohort as it is stored."""
        return [float(v) for v in self.cells[self.places[label]]]

    def feed(
        self, changes: Sequence[RunChange], labels: Labels, sessions: Sessions, *, now: float
    ) -> list[Turn]:
        """The state changes that these runs bring, in order.

        `sessions` holds what is counted of the other runs of their sessions, and is kept up.
        """
        rule = self.rule
        ordered = sorted(changes, key=lambda c: (_arrival(c, rule.part, now), c.trace_id))
        items: list[Item] = []
        for change in ordered:
            items += self._items(change, labels, sessions, _arrival(change, rule.part, now))
        turns: list[Turn] = []
        first = 0
        while first < len(items):
            hour = self._tell_time(items[first].at)
            last = first
            while last < len(items) and int(items[last].at) // HOUR <= hour:
                last += 1
            turns += self._step(items[first:last])
            first = last
        return turns

    def _items(
        self, change: RunChange, labels: Labels, sessions: Sessions, at: float
    ) -> list[Item]:
        runs = _unit(change, sessions)
        before = self._shares(runs, labels)
        _put(runs, change)
        after = self._shares(runs, labels)
        if at - change.started_at > max(_LATE, self.rule.window.total_seconds()):
            return []
        found = []
        for label in sorted(before.keys() | after.keys()):
            was, now = before.get(label), after.get(label)
            if was == now:
                continue
            k = (now or 0.0) - (was or 0.0)
            n = float(now is not None) - float(was is not None)
            found.append(Item(at, label, k, n, change.started_at, change.trace_id))
        return found

    def _shares(self, runs: Mapping[str, Counted], labels: Labels) -> dict[Label, float]:
        """The share of failures of one session in each cohort."""
        sums: dict[Label, list[float]] = defaultdict(lambda: [0.0, 0.0])
        for run in runs.values():
            for cohort, (k, n) in self.rule.counts(run).items():
                label = self._label(labels.get(cohort))
                if label is not None:
                    sums[label][0] += k
                    sums[label][1] += n
        if self.rule.is_of_people:
            return {label: float(k > 0) for label, (k, _) in sums.items()}
        return {label: k / n for label, (k, n) in sums.items()}

    def _label(self, values: Mapping[str, str] | None) -> Label | None:
        rule = self.rule
        if values is None or any(values.get(k) != v for k, v in rule.where.items()):
            return None
        if is_replay(values) and not are_asked_for((*rule.by, *rule.where)):
            return None
        return tuple(values.get(key, "") for key in rule.by)

    def _tell_time(self, at: float) -> int:
        """Move the clock, never back; with each new hour renew prior and limits."""
        common = self.common
        common.clock = max(common.clock, at)
        hour = int(common.clock) // HOUR
        if hour > common.hour:
            gone = min(hour - common.hour, _WEEK_HOURS) if common.hour else 1
            kept = (1 - 1 / _WEEK_HOURS) ** gone
            common.items, common.hours = common.items * kept, common.hours * kept + gone
            common.hour = hour
            known = zip(self.cells["base_k"].tolist(), self.cells["base_n"].tolist(), strict=True)
            prior = rates.prior(known)
            weekly = _WEEK_HOURS * common.items / max(common.hours, 1.0)
            common.pool = Pool(prior.share, prior.weight, weekly)
            self._detector.set_pool(common.pool)
        return hour

    def _step(self, items: Sequence[Item]) -> list[Turn]:
        """Items of one hour: the first of each cohort together, then the second of each, …"""
        rounds: list[list[Item]] = []
        turns_taken: dict[Label, int] = defaultdict(int)
        for item in items:
            place = turns_taken[item.label]
            turns_taken[item.label] += 1
            if place == len(rounds):
                rounds.append([])
            rounds[place].append(item)
        self.common.items += sum(item.n for item in items)
        self.touched |= turns_taken.keys()
        self._make_room(turns_taken)
        turns = [turn for together in rounds for turn in self._round(together)]
        return sorted(turns, key=lambda t: (t.at, t.label))

    def _make_room(self, labels: Mapping[Label, int]) -> None:
        fresh = [label for label in labels if label not in self.places]
        if fresh:
            for label in fresh:
                self.places[label] = len(self.places)
            more = cusum.new_cells(len(fresh))
            self._detector.cells = np.concatenate([self.cells, more])

    def _round(self, items: Sequence[Item]) -> list[Turn]:
        at = np.array([self.places[i.label] for i in items], np.intp)
        k = np.array([i.k for i in items])
        n = np.array([i.n for i in items])
        when = np.array([i.when for i in items])
        arrived = np.array([i.at for i in items])
        gone = self._given_up(at, arrived)
        fired, back = self._detector.step(at, k, n, when)
        self.cells["seen_at"][at] = np.maximum(self.cells["seen_at"][at], arrived)
        by_place = dict(zip(at.tolist(), items, strict=True))
        return gone + [
            Turn(by_place[p].label, by_place[p].at, is_fired, self.cell(by_place[p].label))
            for places, is_fired in ((fired, True), (back, False))
            for p in places.tolist()
        ]

    def forget(self, sessions: Sessions) -> None:
        """Drop the sessions that no run which still counts can belong to."""
        late = max(_LATE, self.rule.window.total_seconds())
        edge = self.common.clock - late - (_SESSION_HOURS + 1) * HOUR
        for name in [
            n for n, runs in sessions.items() if all(r.hour < edge for r in runs.values())
        ]:
            del sessions[name]

    def gone(self, now: float) -> list[Turn]:
        """Cohorts that are out of line and of which nothing has come for long: they are closed.

        After a rollback nothing comes of the version that failed, neither good nor bad.
        """
        self.common.clock = max(self.common.clock, now)
        every = np.arange(len(self.cells))
        return self._given_up(every, np.full(len(every), self.common.clock))

    def _given_up(self, at: NDArray[np.intp], when: NDArray[np.float64]) -> list[Turn]:
        rows = self.cells[at]
        known = np.maximum(np.maximum(rows["fast_n"], rows["slow_n"]), 1.0)
        pace = (rows["opened_at"] - rows["since"]) / known
        least = max(_LATE, _PATIENCE * self.rule.window.total_seconds())
        patience = np.maximum(_MISSED * pace, least)
        is_stale = (rows["opened_at"] > 0) & (when - rows["seen_at"] > patience)
        stale = at[is_stale]
        if not stale.size:
            return []
        labels = {place: label for label, place in self.places.items()}
        found = [labels[place] for place in stale.tolist()]
        ends = (rows["seen_at"] + patience)[is_stale].tolist()
        turns = [
            Turn(label, end, False, self.cell(label), gone=True)
            for label, end in zip(found, ends, strict=True)
        ]
        self.cells[stale] = cusum.closed(self.cells[stale])
        self.touched |= set(found)
        return turns

    def silent(self, now: float) -> list[Turn]:
        """Cohorts with steady traffic of which nothing comes any more, and those that are back."""
        if self.rule.no_data is None:
            return []
        patience, turns = self.rule.no_data.total_seconds(), []
        self.common.clock = max(self.common.clock, now)
        for label, place in self.places.items():
            row = self.cells[place]
            is_silent = self.common.clock - row["seen_at"] > patience
            if is_silent and row["silent_at"] == 0 and row["base_n"] >= _KNOWN:
                row["silent_at"] = self.common.clock
                turns.append(Turn(label, self.common.clock, True, self.cell(label)))
            elif not is_silent and row["silent_at"] > 0:
                row["silent_at"] = 0.0
                turns.append(Turn(label, self.common.clock, False, self.cell(label)))
        self.touched |= {t.label for t in turns}
        return turns


def _arrival(change: RunChange, part: str, now: float) -> float:
    """When this part of the run was counted first; a later change of it arrives now."""
    known = change.after or change.before
    if known is None or (change.before is not None and part in change.before.at):
        return now
    return known.at.get(part, known.at.get("", now))


def _unit(change: RunChange, sessions: Sessions) -> dict[str, Counted]:
    """The runs that count as one item with this one: those of its session within a day.

    A value that more than fifty runs of an hour share is a label, not a session.
    """
    alone = {} if change.before is None else {change.trace_id: change.before}
    if change.session is None:
        return alone
    runs = sessions.setdefault(change.session, {})
    if change.before is not None:
        runs[change.trace_id] = change.before
    hour = (change.after or change.before or _NOBODY).hour
    near = {t: r for t, r in runs.items() if abs(r.hour - hour) <= _SESSION_HOURS * HOUR}
    crowd = sum(r.hour == hour for r in near.values()) > _NOT_A_SESSION
    if change.after is None:
        runs.pop(change.trace_id, None)
    else:
        runs[change.trace_id] = change.after
    return alone if crowd else near


_NOBODY = Counted(0, 0, {}, {})


def _put(runs: dict[str, Counted], change: RunChange) -> None:
    if change.after is None:
        runs.pop(change.trace_id, None)
    else:
        runs[change.trace_id] = change.after
