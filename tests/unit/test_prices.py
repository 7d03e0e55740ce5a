"""Prices: cached tokens are counted once, and what is unknown stays unknown."""

import pytest

from collector.convention import Reader
from tests.unit.collector.otlp import NOW
from waypost.prices import Prices
from waypost.records import Json, RawSpan, Tokens

MINI = ("gpt-4o-mini",)


def cost(
    tokens: Tokens, provider: str | None = "openai", models: tuple[str | None, ...] = MINI
) -> float | None:
    return Prices().cost(provider, models, tokens, NOW)


def test_cached_tokens_are_counted_once_and_cheaper() -> None:
    whole, cached = cost(Tokens(1_000_000, 0)), cost(Tokens(1_000_000, 0, cache_read=1_000_000))
    assert (whole, cached) == (0.15, 0.075)


@pytest.mark.parametrize(
    ("provider", "model"),
    [
        ("openai", "gpt-4o-mini-2026-07-18"), ("openai", "openai/gpt-4o-mini"),
        ("fake.chat", "gpt-4o-mini"), (None, "gpt-4o-mini"), (None, "openai/gpt-4o-mini"),
    ],
)  # fmt: skip
def test_a_model_is_found_under_the_names_it_goes_by(provider: str | None, model: str) -> None:
    assert cost(Tokens(1_000_000, 0), provider, (None, model)) == 0.15


@pytest.mark.parametrize("tokens", [Tokens(None, 5), Tokens(5, None), Tokens()])
def test_unknown_tokens_have_no_price(tokens: Tokens) -> None:
    assert cost(tokens) is None


def test_unknown_and_local_models_have_no_price() -> None:
    assert cost(Tokens(5, 5), models=("never-heard-of",)) is None
    assert cost(Tokens(5, 5), provider="ollama") is None


def test_a_reported_cost_is_kept_and_a_missing_one_priced() -> None:
    attributes: dict[str, Json] = {
        "gen_ai.operation.name": "chat", "gen_ai.request.model": "gpt-4o-mini",
        "gen_ai.usage.input_tokens": 1_000_000, "gen_ai.usage.output_tokens": 0,
    }  # fmt: skip
    reader = Reader(prices=Prices())
    for reported, wanted in ((0, (0.15, "priced")), (3, (3.0, "reported"))):
        attributes["gen_ai.usage.cost"] = reported
        step = reader.read(RawSpan("1" * 32, "2" * 16, None, "x", NOW, NOW, attributes=attributes))
        assert (step.step.cost_usd, step.step.cost_source) == wanted


def test_a_long_request_pays_its_tier() -> None:
    model = ("gemini-2.5-pro",)
    short = cost(Tokens(100_000, 0), "google", model)
    long = cost(Tokens(1_000_000, 0), "google", model)
    assert short is not None
    assert long is not None
    assert long > 10 * short
