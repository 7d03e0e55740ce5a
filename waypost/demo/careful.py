"""A changed assistant to try on the demo's runs: it quotes the handbook and says nothing else.

waypost replay DATASET --agent waypost.demo.careful:agent --trial careful
"""

from typing import Any

from langchain.agents import create_agent
from langchain_core.callbacks import CallbackManagerForLLMRun
from langchain_core.language_models import LangSmithParams
from langchain_core.messages import AIMessage, BaseMessage, ToolMessage
from langchain_core.outputs import ChatGeneration, ChatResult

from waypost.demo.agent import make_office
from waypost.demo.clock import Clock
from waypost.demo.knowledge import TOPICS, shared
from waypost.demo.model import ToolModel


class CarefulModel(ToolModel):
    """Looks the question up, then says what the first page says."""

    @property
    def _llm_type(self) -> str:
        return "careful"

    def _get_ls_params(self, stop: list[str] | None = None, **kwargs: Any) -> LangSmithParams:
        return LangSmithParams(ls_provider="demo", ls_model_name="careful", ls_model_type="chat")

    def _generate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> ChatResult:
        last = messages[-1]
        said = _quote(last) if isinstance(last, ToolMessage) else _look_up(last.text)
        return ChatResult(generations=[ChatGeneration(message=said)])


def agent() -> Any:
    """The assistant with that model."""
    return create_agent(
        CarefulModel(),
        tools=list(make_office(Clock(0)).tools),
        system_prompt="You are the benefits assistant. Quote the handbook and add nothing.",
        name="benefits_assistant",
    )


def _look_up(question: str) -> AIMessage:
    asked = set(question.lower().split())
    query = max(TOPICS, key=lambda topic: shared(asked, topic)).query
    call = {"name": "search_handbook", "args": {"query": query}, "id": "look", "type": "tool_call"}
    return AIMessage("", tool_calls=[call])


def _quote(found: ToolMessage) -> AIMessage:
    if found.status == "error":
        return AIMessage("I could not look that up. Please ask the benefits office.")
    first = found.text.partition("\n\n")[0]
    return AIMessage(first.partition("] ")[2])
