"""What a search for causes found, as sentences."""

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass

from ui import words
from waypost.changes import Cause
from waypost.rates import percent
from waypost.slices import Slice
from waypost.store.explain import FirstBad, Since


@dataclass(frozen=True, slots=True)
class Fresh:
    """A cohort without a past: when it came, since when it fails, and what came with it."""

    came: dt.datetime
    fails: dt.datetime
    causes: Sequence[Cause]


def of_cell(
    began: Since,
    slices: Sequence[Slice],
    first: FirstBad | None,
    *,
    own: FirstBad | None = None,
    own_said: str = "",
    fresh: Fresh | None = None,
    error: str | None = None,
) -> list[str]:
    """Since when, what came then, where failures gather, which step goes wrong first."""
    said = []
    if began.point is not None:
        point = began.point
        before, after = point.before.share or 0.0, point.after.share or 0.0
        said.append(
            f"It began about {words.clock(point.at)} ({words.ago(point.at)}): "
            f"{percent(before)} before, {percent(after)} since."
        )
        said += [_cause(point.at, cause) for cause in began.causes[:2]]
    elif fresh is not None:
        said.append(
            f"This cohort is new: first seen {words.clock(fresh.came)}, failing since "
            f"{words.clock(fresh.fails)} ({words.ago(fresh.fails)})."
        )
        said += [_cause(fresh.fails, cause) for cause in fresh.causes[:2]]
    said += [_slice(one) for one in slices]
    if error is not None:
        said.append(f"What broke is mostly {error}.")
    if first is not None:
        said.append(f"The first bad step is mostly {first}.")
    if own is not None and (first is None or own.step != first.step):
        said.append(f"The first {own_said} is mostly {own}.")
    return [words.one_line(line, 300) for line in said]


def _cause(at: dt.datetime, cause: Cause) -> str:
    seconds = (at - cause.first_at).total_seconds()
    side = "after" if seconds >= 0 else "before"
    return f"That is {words.took(abs(seconds))} {side} {cause} was first seen."


def _slice(one: Slice) -> str:
    where = " and ".join(f"{key.replace('_', ' ')} {value}" for key, value in one.conditions)
    return (
        f"Failures gather in {where}: {percent(one.k / max(1, one.failures))} of failures, "
        f"{percent(one.n / max(1, one.items))} of traffic."
    )
