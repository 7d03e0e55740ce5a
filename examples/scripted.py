"""The model of the examples: scripted, so that they run without a key, or a real one.

    WAYPOST_EXAMPLE_MODEL=openai:gpt-5-mini python examples/tools.py

takes any name that `langchain.chat_models.init_chat_model` knows.
"""

import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from langchain_core.language_models.chat_models import BaseChatModel
from langchain_core.messages import AIMessage, BaseMessage
from langchain_core.messages.ai import UsageMetadata
from langchain_core.outputs import ChatGeneration, ChatResult
from langchain_core.utils.function_calling import convert_to_openai_tool


def model(*script: AIMessage) -> BaseChatModel:
    """A model that says these answers in turn, or the real one the environment names."""
    real = os.environ.get("WAYPOST_EXAMPLE_MODEL")
    if real:
        from langchain.chat_models import init_chat_model

        found: BaseChatModel = init_chat_model(real)
        return found
    return Scripted(script=list(script))


def says(text: str = "", **calls: dict[str, Any]) -> AIMessage:
    """An answer: a text, or calls of tools by their names."""
    asked = [
        {"name": name, "args": arguments, "id": f"call_{name}", "type": "tool_call"}
        for name, arguments in calls.items()
    ]
    usage = UsageMetadata(input_tokens=120, output_tokens=20, total_tokens=140)
    meta = {"model_name": "scripted-1", "finish_reason": "tool_calls" if calls else "stop"}
    return AIMessage(content=text, tool_calls=asked, usage_metadata=usage, response_metadata=meta)


class Scripted(BaseChatModel):
    """Answers by its script: the answer that stands after as many as the input already holds."""

    script: list[AIMessage]

    @property
    def _llm_type(self) -> str:
        return "scripted"

    def bind_tools(self, tools: Sequence[Any], **kwargs: Any) -> Any:
        return self.bind(tools=[convert_to_openai_tool(t) for t in tools], **kwargs)

    def _get_ls_params(self, stop: list[str] | None = None, **kwargs: Any) -> Any:
        return {"ls_provider": "scripted", "ls_model_name": "scripted", "ls_model_type": "chat"}

    def _generate(self, messages: list[BaseMessage], *args: Any, **kwargs: Any) -> ChatResult:
        said = sum(m.type == "ai" for m in messages)
        answer = self.script[min(said, len(self.script) - 1)].model_copy()
        return ChatResult(generations=[ChatGeneration(message=answer)])
