"""Any LangChain chat model as a judge: one try a call, its errors sorted, its cost counted."""

import time
from collections.abc import Mapping
from typing import Any

from langchain.chat_models import init_chat_model

from evaluators.chores import first_line
from evaluators.judge import Answer, JudgeFailed
from waypost.errors import BadSetting
from waypost.prices import Prices
from waypost.records import Tokens
from waypost.settings import Settings
from waypost.store.judges import Spent

TIMEOUT_SECONDS = 60.0
UNKNOWN_PRICE = 5e-6


class ChatModel:
    """A judge's chat model behind `init_chat_model`; any OpenAI-compatible base URL will do.

    BadSetting when its provider, package or key is not there.
    """

    def __init__(
        self, settings: Settings, *, timeout: float = TIMEOUT_SECONDS, streaming: bool = False
    ) -> None:
        self.name = settings.judge_model or ""
        options: dict[str, Any] = {"max_retries": 0, "timeout": timeout, "temperature": 0}
        if settings.judge_base_url:
            options["base_url"] = settings.judge_base_url
        if settings.judge_key:
            options["api_key"] = settings.judge_key
        if streaming:
            options |= {"streaming": True, "stream_usage": True}
        provider, _, model = self.name.rpartition(":")
        if provider or settings.judge_base_url:
            options["model_provider"] = provider or "openai"
        self._provider = provider or "openai"
        self._prices = Prices()
        try:
            self._model = init_chat_model(model, **options)
        except Exception as error:  # every provider has errors of its own
            raise BadSetting(
                f"The judge model {self.name!r} cannot be used: {first_line(error)}"
            ) from error

    def ask(self, system: str, content: str, schema: Mapping[str, Any]) -> Answer:
        """One call. JudgeFailed on a refusal or no JSON; the provider's own errors pass through."""
        more = {"strict": True} if self._provider in ("openai", "azure_openai") else {}
        structured = self._model.with_structured_output(dict(schema), include_raw=True, **more)
        messages = [("system", system), ("human", content)]
        found = structured.invoke(messages, config={"callbacks": []})
        return self._answer(found)

    def _answer(self, found: Any) -> Answer:
        raw = found["raw"]
        model = str((getattr(raw, "response_metadata", None) or {}).get("model_name") or "")
        used = usage_of(raw)
        cost = self._cost(model, used)
        spent = Spent(tokens_in=used.input or 0, tokens_out=used.output or 0, cost_usd=cost)
        refusal = (getattr(raw, "additional_kwargs", None) or {}).get("refusal")
        if refusal:
            raise JudgeFailed(f"The judge refused: {str(refusal)[:200]}", spent=spent)
        if found.get("parsing_error") is not None or found.get("parsed") is None:
            raise JudgeFailed("The judge's answer is not the JSON asked for.", spent=spent)
        return Answer(found["parsed"], spent, model)

    def _cost(self, answered: str, used: Tokens) -> float:
        """Dollars for a call; a model without a known price counts as a dear one.

        So budgets hold.
        """
        models = (answered, self.name.rpartition(":")[2])
        found = self._prices.cost(self._provider, models, used, time.time_ns())
        if found is None:
            return ((used.input or 0) + (used.output or 0)) * UNKNOWN_PRICE
        return found


def usage_of(raw: Any) -> Tokens:
    """Tokens read and written, wherever the client put them; a stream keeps its own place."""
    usage = getattr(raw, "usage_metadata", None)
    if usage:
        cached = usage.get("input_token_details") or {}
        return Tokens(
            int(usage.get("input_tokens") or 0),
            int(usage.get("output_tokens") or 0),
            cached.get("cache_read"),
            cached.get("cache_creation"),
        )
    told = (getattr(raw, "response_metadata", None) or {}).get("token_usage") or {}
    return Tokens(int(told.get("prompt_tokens") or 0), int(told.get("completion_tokens") or 0))
