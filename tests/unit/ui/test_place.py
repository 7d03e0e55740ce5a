"""What an address says, however it was come by."""

import datetime as dt

import pytest

from ui import listing
from ui.asked import Asked, asked_by

TRACE = "0af7651916cd43dd8448eb211c80319c"


def after(text: str) -> listing.After | None:
    with asked_by(Asked({"after": text}, "UTC")):
        return listing.after()


def test_a_page_of_older_runs_begins_after_the_run_it_names() -> None:
    at = dt.datetime(2026, 11, 20, 12, tzinfo=dt.UTC)
    assert after(f"{int(at.timestamp() * 1e6)}_{TRACE}") == (at, TRACE)


@pytest.mark.parametrize(
    "text", ["", f"²_{TRACE}", f"{'9' * 40}_{TRACE}", "1764000000000000_no-trace", TRACE]
)
def test_what_names_no_run_begins_at_the_newest(text: str) -> None:
    assert after(text) is None
