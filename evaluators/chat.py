"""Any LangChain chat model as a judge: one try a call, its errors sorted, its cost counted."""

from collections.abc import Mapping
from typing import Any

from genai_prices import Usage, calc_price
from langchain.chat_models import init_chat_model

from evaluators.chores import first_line
from evaluators.judge import Answer, JudgeFailed
from waypost.errors import BadSetting
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
        given, written = usage_of(raw)
        cost = price(model or self.name.rpartition(":")[2], given, written)
        spent = Spent(tokens_in=given, tokens_out=written, cost_usd=cost)
        refusal = (getattr(raw, "additional_kwargs", None) or {}).get("refusal")
        if refusal:
            raise JudgeFailed(f"The judge refused: {str(refusal)[:200]}", spent=spent)
        if found.get("parsing_error") is not None or found.get("parsed") is None:
            raise JudgeFailed("The judge's answer is not the JSON asked for.", spent=spent)
        return Answer(found["parsed"], spent, model)


def usage_of(raw: Any) -> tuple[int, int]:
    """Tokens read and written, wherever the client put them; a stream keeps its own place."""
    usage = getattr(raw, "usage_metadata", None)
    if usage:
        return int(usage.get("input_tokens") or 0), int(usage.get("output_tokens") or 0)
    told = (getattr(raw, "response_metadata", None) or {}).get("token_usage") or {}
    return int(told.get("prompt_tokens") or 0), int(told.get("completion_tokens") or 0)


def price(model: str, given: int, written: int) -> float:
    """Dollars for a call; a model without a known price counts as a dear one, so budgets hold."""
    try:
        found = calc_price(Usage(input_tokens=given, output_tokens=written), model)
    except LookupError:
        return (given + written) * UNKNOWN_PRICE
    return float(found.total_price)
