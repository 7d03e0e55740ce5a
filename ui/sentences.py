"""What a search for causes found, as sentences."""

from collections.abc import Sequence

from ui import words
from waypost.changes import Cause
from waypost.rates import percent
from waypost.slices import Slice
from waypost.store.explain import FirstBad, Since


def of_cell(
    began: Since,
    slices: Sequence[Slice],
    first: FirstBad | None,
    *,
    own: FirstBad | None,
    judge: str,
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
        said += [_cause(began, cause) for cause in began.causes[:2]]
    said += [_slice(one) for one in slices]
    if first is not None:
        said.append(f"The first bad step is mostly {_step(first)}.")
    if own is not None and (first is None or own.step != first.step):
        said.append(f"The first that failed {judge} is mostly {_step(own)}.")
    return [words.one_line(line, 300) for line in said]


def _step(bad: FirstBad) -> str:
    return f"step {bad.step}, {bad.tool or bad.kind} ({bad.runs} of {bad.of} failing runs)"


def _cause(began: Since, cause: Cause) -> str:
    assert began.point is not None
    seconds = (began.point.at - cause.first_at).total_seconds()
    side = "after" if seconds >= 0 else "before"
    version = f"{cause.kind} {cause.name} {cause.version}".rstrip()
    return f"That is {words.took(abs(seconds))} {side} {version} was first seen."


def _slice(one: Slice) -> str:
    where = " and ".join(f"{key.replace('_', ' ')} {value}" for key, value in one.conditions)
    return (
        f"Failures gather in {where}: {percent(one.k / max(1, one.failures))} of failures, "
        f"{percent(one.n / max(1, one.items))} of traffic."
    )
