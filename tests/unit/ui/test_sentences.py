"""What is said of a cell: since when, why, and which step goes wrong first."""

import datetime as dt

import pytest

from ui import sentences
from ui.widgets.trend import _point
from waypost.changes import Cause
from waypost.rates import Rate
from waypost.store.explain import FirstBad, Since
from waypost.store.rates import DAY, HOUR, Point

SEARCH = FirstBad(2, "tool", "search_handbook", 13, 13)
EXPORT = FirstBad(5, "tool", "export_payroll", 12, 13)


@pytest.mark.parametrize(
    ("first", "own", "said"),
    [
        (SEARCH, SEARCH, ["The first bad step is mostly step 2, tool search_handbook"]),
        (SEARCH, EXPORT, ["The first bad step is mostly step 2, tool search_handbook",
                          "The first that failed Costs is mostly step 5, tool export_payroll"]),
        (None, None, []),
    ],
)  # fmt: skip
def test_the_first_bad_step_and_the_first_this_judge_failed_are_told_apart(
    first: FirstBad | None, own: FirstBad | None, said: list[str]
) -> None:
    found = sentences.of_cell(Since(None), [], first, own=own, own_said="that failed Costs")
    assert [line.partition(" (")[0] for line in found] == said


@pytest.mark.parametrize("size", [HOUR, DAY, HOUR / 4])
def test_a_point_stands_in_the_middle_of_the_time_it_counts(size: dt.timedelta) -> None:
    at = dt.datetime(2026, 11, 20, 12, tzinfo=dt.UTC)
    drawn = _point(Point(at, Rate.of(5, 10), 0), size)
    assert isinstance(drawn, list)
    assert drawn[0] == (at + size / 2).timestamp() * 1000


def test_a_new_cohort_is_said_to_be_new_and_what_came_with_it() -> None:
    came = dt.datetime(2026, 11, 20, 18, 26, tzinfo=dt.UTC)
    fails = came + dt.timedelta(minutes=7)
    prompt = Cause("prompt", "benefits", "v15", came, 0.0, None, None)
    found = sentences.of_cell(Since(None), [], None, fresh=sentences.Fresh(came, fails, [prompt]))
    assert found[0].startswith("This cohort is new: first seen ")
    assert found[1] == "That is 7 m 0 s after prompt benefits v15 was first seen."
