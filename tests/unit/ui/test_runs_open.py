"""Opening a run takes one connection at a time, or readers who come together would wait in vain."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import cast

import pytest

from ui import runs
from ui.runs import Runs
from waypost.store import parts, stamps
from waypost.store.engine import Engine


class Counting:
    """An engine that counts the connections held at once."""

    def __init__(self) -> None:
        self.held = self.most = 0

    @contextmanager
    def connect(self) -> Iterator[None]:
        self.held += 1
        self.most = max(self.most, self.held)
        try:
            yield
        finally:
            self.held -= 1


def test_a_short_run_is_opened_on_one_connection(monkeypatch: pytest.MonkeyPatch) -> None:
    engine = Counting()
    monkeypatch.setattr(stamps, "of_run", lambda *_: "1")
    monkeypatch.setattr(parts, "is_long", lambda *_: False)
    monkeypatch.setattr(runs, "_load", lambda *_: None)
    Runs(cast("Engine", engine)).near(1, "a" * 32)
    assert engine.most == 1
