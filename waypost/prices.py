"""What a model call cost, from the public price list, where its sender does not say."""

import datetime as dt
import re
from dataclasses import dataclass
from typing import Final

from waypost.late import genai_prices
from waypost.records import Tokens

_HOUR: Final = 3_600 * 10**9
_SAMPLE: Final = 1_000  # below every tier
_MOST: Final = 4_096
_DATED: Final = re.compile(r"-(?:20\d{2}-\d{2}-\d{2}|20\d{6})$")
_LOCAL: Final = frozenset({"ollama", "vllm", "lm_studio", "lmstudio", "llama.cpp", "local"})
_PROVIDERS: Final = {
    "azure.ai.openai": "azure", "azure.ai.inference": "azure", "azure_openai": "azure",
    "aws.bedrock": "aws", "aws_bedrock": "aws", "bedrock": "aws",
    "gcp.gemini": "google", "gcp.vertex_ai": "google", "gcp.gen_ai": "google",
    "google_genai": "google", "vertex_ai": "google", "gemini": "google",
    "mistral_ai": "mistral", "mistralai": "mistral", "x_ai": "x-ai", "xai": "x-ai",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Rates:
    """Dollars a token; cached tokens have a price of their own and are counted once."""

    input: float
    output: float
    cache_read: float
    cache_write: float
    seller: str | None
    name: str
    tier: int | None = None

    def of(self, tokens: Tokens) -> float:
        cached, written = tokens.cache_read or 0, tokens.cache_write or 0
        plain = max(0, (tokens.input or 0) - cached - written)
        return (
            plain * self.input
            + cached * self.cache_read
            + written * self.cache_write
            + (tokens.output or 0) * self.output
        )


class Prices:
    """The price list, with the rates of models seen lately."""

    def __init__(self) -> None:
        self._known: dict[tuple[str | None, str, int], Rates | None] = {}

    def cost(
        self, provider: str | None, models: tuple[str | None, ...], tokens: Tokens, at: int
    ) -> float | None:
        """Dollars for one call, by the first of the models that is on the list; None if unknown."""
        if tokens.input is None or tokens.output is None or (provider or "").lower() in _LOCAL:
            return None
        for model in models:
            rates = self._rates(provider, model, at) if model else None
            if rates is not None:
                long = rates.tier is not None and tokens.input > rates.tier
                found = _long_call(rates, tokens, at) if long else rates.of(tokens)
                return round(found, 12)
        return None

    def _rates(self, provider: str | None, model: str, at: int) -> Rates | None:
        key = (provider, model, at // _HOUR)
        try:
            return self._known[key]
        except KeyError:
            if len(self._known) >= _MOST:
                self._known.clear()
            found = self._known[key] = _find(provider, model, at)
            return found


def _find(provider: str | None, model: str, at: int) -> Rates | None:
    """The rates of a model under any name it goes by."""
    when = dt.datetime.fromtimestamp(at / 1e9, dt.UTC)
    known = _PROVIDERS.get((provider or "").lower(), provider)
    maker, _, bare = model.rpartition("/")
    for name in dict.fromkeys((model, _DATED.sub("", model), bare, _DATED.sub("", bare))):
        for seller in dict.fromkeys((known, _PROVIDERS.get(maker, maker) or None, None)):
            found = _rates_of(seller, name, when)
            if found is not None:
                return found
    return None


def _rates_of(provider: str | None, model: str, when: dt.datetime) -> Rates | None:
    listed = genai_prices()

    def per_token(**usage: int) -> float:
        usage = dict.fromkeys(usage, _SAMPLE)
        priced = listed.calc_price(
            listed.Usage(**usage), model, provider_id=provider, genai_request_timestamp=when
        )
        return float(priced.total_price) / _SAMPLE

    try:
        price = listed.calc_price(
            listed.Usage(input_tokens=1), model, provider_id=provider, genai_request_timestamp=when
        ).model_price
        return Rates(
            per_token(input_tokens=1),
            per_token(output_tokens=1),
            per_token(input_tokens=1, cache_read_tokens=1),
            per_token(input_tokens=1, cache_write_tokens=1),
            provider,
            model,
            _first_tier(vars(price)),
        )
    except (LookupError, ValueError, ArithmeticError):
        return None


def _first_tier(prices: dict[str, object]) -> int | None:
    """From how many input tokens on a call pays more than the base rates."""
    kind = genai_prices(".types").TieredPrices
    tiered = (p for p in prices.values() if isinstance(p, kind))
    return min((tier.start for p in tiered for tier in p.tiers), default=None)


def _long_call(rates: Rates, tokens: Tokens, at: int) -> float:
    listed = genai_prices()
    usage = listed.Usage(
        input_tokens=tokens.input,
        output_tokens=tokens.output,
        cache_read_tokens=tokens.cache_read or 0,
        cache_write_tokens=tokens.cache_write or 0,
    )
    when = dt.datetime.fromtimestamp(at / 1e9, dt.UTC)
    priced = listed.calc_price(
        usage, rates.name, provider_id=rates.seller, genai_request_timestamp=when
    )
    return float(priced.total_price)
