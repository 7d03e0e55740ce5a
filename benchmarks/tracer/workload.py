"""One agent for every contender: a scripted model, one tool, answers of about 2 KB.

Runs inside a contender's own environment and prints one JSON line with its measurements.
"""

import gc
import importlib
import json
import statistics
import sys
import time
from collections.abc import Callable
from typing import Any

from langchain.agents import create_agent
from langchain_core.language_models.chat_models import BaseChatModel
from langchain_core.messages import AIMessage, BaseMessage
from langchain_core.outputs import ChatGeneration, ChatResult
from langchain_core.tools import tool
from langchain_core.utils.function_calling import convert_to_openai_tool

SENTENCE = "The parcel left the warehouse in the evening and nobody has seen it since. "


class Scripted(BaseChatModel):
    """Asks for the tool until it has been asked often enough."""

    turns: int = 1

    @property
    def _llm_type(self) -> str:
        return "scripted"

    def bind_tools(self, tools: Any, **kwargs: Any) -> Any:
        return self.bind(tools=[convert_to_openai_tool(t) for t in tools], **kwargs)

    def _generate(self, messages: list[BaseMessage], *args: Any, **kwargs: Any) -> ChatResult:
        done = sum(m.type == "tool" for m in messages)
        usage: Any = {
            "input_tokens": 100 * done + 50,
            "output_tokens": 20,
            "total_tokens": 100 * done + 70,
        }
        meta = {"model_name": "scripted-1", "finish_reason": "tool_calls"}
        if done >= self.turns:
            answer = AIMessage("That is all I found.", usage_metadata=usage, response_metadata=meta)
        else:
            asked = {
                "name": "look_up",
                "args": {"order_id": f"A-{done}", "detail": "full"},
                "id": f"c{done}",
            }
            answer = AIMessage("", tool_calls=[asked], usage_metadata=usage, response_metadata=meta)
        return ChatResult(generations=[ChatGeneration(message=answer)])


@tool
def look_up(order_id: str, detail: str) -> str:
    """Look up an order."""
    rows = [{"order": order_id, "line": n, "note": SENTENCE * 2} for n in range(9)]
    return json.dumps(rows)[:2048]


def agent(steps: int) -> Any:
    """An agent whose run has this many steps: models and tools in turn, the answer last."""
    prompt = "You are a support agent. Be brief. " * 10
    return create_agent(Scripted(turns=steps // 2), [look_up], system_prompt=prompt, name="support")


def run(steps: int, config: dict[str, Any]) -> None:
    question = {"messages": [("user", "Where are my orders?")]}
    agent(steps).invoke(question, {**config, "recursion_limit": 10 * steps + 100})


def cpu_of(steps: int, config: dict[str, Any], flush: Callable[[], object], runs: int) -> float:
    """CPU milliseconds a step of all threads, sending included; the median of some runs."""
    found = []
    for _ in range(runs):
        gc.collect()
        begin = time.process_time()
        run(steps, config)
        flush()
        found.append((time.process_time() - begin) * 1000 / steps)
    return statistics.median(found)


def main() -> None:
    name, endpoint, runs = sys.argv[1], sys.argv[2], int(sys.argv[3])
    lengths = [int(n) for n in sys.argv[4].split(",")]
    run(5, {})
    bare = {n: cpu_of(n, {}, lambda: None, runs) for n in lengths}
    contender = importlib.import_module("contenders").START[name]
    config, flush = contender(endpoint)
    run(5, config)
    flush()
    rows = []
    for steps in lengths:
        ask(endpoint)
        cpu = cpu_of(steps, config, flush, runs)
        time.sleep(0.5)
        rows.append(
            {"steps": steps, "bare": bare[steps], "cpu": cpu, "bytes": ask(endpoint) / runs}
        )
    print(json.dumps(rows), flush=True)


def ask(endpoint: str) -> int:
    """How many bytes the sink took since it was asked last."""
    import urllib.request

    with urllib.request.urlopen(f"{endpoint}/taken") as answer:
        return int(answer.read())


if __name__ == "__main__":
    main()
