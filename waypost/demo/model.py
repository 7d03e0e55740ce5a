"""A chat model that says what its script says, with the times and tokens a real one would take."""

from collections.abc import Callable, Sequence
from typing import Any

from langchain_core.callbacks import CallbackManagerForLLMRun
from langchain_core.language_models import BaseChatModel, LangSmithParams
from langchain_core.messages import AIMessage, BaseMessage
from langchain_core.outputs import ChatGeneration, ChatResult
from langchain_core.runnables import Runnable
from langchain_core.tools import BaseTool
from langchain_core.utils.function_calling import convert_to_openai_tool

import tracer
from waypost.demo.clock import Clock

PROVIDERS = {"claude-haiku-4-5": "anthropic", "gpt-4o-mini": "openai"}


class Script:
    """What the model will say, in order; a run that asks for more than that gets an apology."""

    def __init__(self) -> None:
        self._turns: list[AIMessage] = []
        self.trajectory: str | None = None

    def load(self, turns: Sequence[AIMessage]) -> None:
        self._turns = list(turns)
        self.trajectory = None

    def next(self) -> AIMessage:
        return self._turns.pop(0) if self._turns else AIMessage("I am sorry, I cannot go on.")


class ToolModel(BaseChatModel):
    """Is told of its tools as a real chat model is."""

    def bind_tools(
        self, tools: Sequence[dict[str, Any] | type | Callable[..., Any] | BaseTool], **kwargs: Any
    ) -> Runnable[Any, AIMessage]:
        return self.bind(tools=[convert_to_openai_tool(t) for t in tools], **kwargs)


class ScriptedModel(ToolModel):
    """Speaks one script; everything else about it is a real LangChain chat model."""

    model: str
    script: Any
    clock: Any

    @property
    def _llm_type(self) -> str:
        return "scripted"

    def _get_ls_params(self, stop: list[str] | None = None, **kwargs: Any) -> LangSmithParams:
        return LangSmithParams(
            ls_provider=PROVIDERS.get(self.model, "scripted"),
            ls_model_name=self.model,
            ls_model_type="chat",
            ls_temperature=0.2,
        )

    def _generate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> ChatResult:
        assert isinstance(self.script, Script)
        assert isinstance(self.clock, Clock)
        said = self.script.next()
        self.script.trajectory = tracer.trajectory_id()
        written = len(said.text) // 4 + 20 * len(said.tool_calls) + 4
        read = sum(len(m.text) for m in messages) // 4 + 350
        self.clock.pass_seconds(0.35 + written * 0.012)
        message = said.model_copy(
            update={
                "usage_metadata": {
                    "input_tokens": read, "output_tokens": written, "total_tokens": read + written,
                    "input_token_details": {"cache_read": 256 if len(messages) > 3 else 0},
                },
                "response_metadata": {
                    "model_name": self.model,
                    "finish_reason": "tool_calls" if said.tool_calls else "stop",
                },
            }
        )  # fmt: skip
        return ChatResult(generations=[ChatGeneration(message=message)])
