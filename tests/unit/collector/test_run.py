"""What one collector process is made of."""

import asyncio
from contextlib import nullcontext

import pytest
from starlette.requests import Request

from collector import run
from collector.rates import Rates
from waypost.errors import TookTooLong
from waypost.settings import Settings
from waypost.store.engine import connect


def test_programs_that_read_never_hold_the_connections_that_spans_need(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    seen: list[object] = []

    class Made:
        def __init__(self, _: Settings, *engines: object) -> None:
            seen.extend(engines)

        def run(self) -> None:
            """Nothing is served here."""

    monkeypatch.setattr(run, "Collector", Made)
    monkeypatch.setattr(run, "database_url", lambda _: nullcontext("postgresql://n@127.0.0.1:1/n"))
    monkeypatch.setattr("collector.run.uvloop.run", lambda _: None)
    run.serve(Settings())
    assert len({id(engine) for engine in seen}) == 2


def test_rates_that_take_too_long_are_those_of_before(monkeypatch: pytest.MonkeyPatch) -> None:
    rates = Rates(connect("postgresql://nobody@127.0.0.1:1/none"))

    def slow(_: int | None) -> str:
        raise TookTooLong

    monkeypatch.setattr(rates, "_read", slow)
    scraper = Request({"type": "http", "headers": [], "client": ("127.0.0.1", 1)})
    assert asyncio.run(rates.of(scraper)) == ""
