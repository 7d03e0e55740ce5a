"""What the dashboard does once at its start, so that no page has to."""

import asyncio
import gc
from collections.abc import Iterator
from typing import cast

import pytest
from streamlit.starlette import App

from tests.unit.ui.pages import open_screen
from ui import app
from ui.run import options
from ui.serve import warm
from waypost.settings import Settings


@pytest.fixture
def thawed() -> Iterator[None]:
    gc.unfreeze()
    yield
    gc.unfreeze()


@pytest.mark.usefixtures("thawed")
def test_modules_are_out_of_the_garbage_collector_before_the_first_page() -> None:
    async def start() -> int:
        async with warm(cast(App, None)):
            return gc.get_freeze_count()

    assert asyncio.run(start()) > 100_000


def test_no_page_waits_for_a_full_garbage_collection() -> None:
    assert options(Settings(), b"k")["runner.postScriptGC"] is False


def test_screens_are_looked_for_once_a_process(monkeypatch: pytest.MonkeyPatch) -> None:
    open_screen("cohorts")
    monkeypatch.setattr(app, "every", list)
    assert not open_screen("cohorts").exception
