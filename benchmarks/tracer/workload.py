"""One agent for every contender: a scripted model, one tool, answers of about 2 KB.

Runs inside a contender's own environment and prints one JSON line with its measurements.
"""

import gc
import importlib
import json
import sys
import time
import urllib.request
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


class Meter:
    """CPU milliseconds a step of all threads, sending included.

    The machine is seldom alone, and a neighbour only ever makes a run dearer: the cheapest of
    several runs counts, short runs being repeated more often.
    """

    def __init__(self, runs: int) -> None:
        self._runs = runs

    def runs(self, steps: int) -> int:
        return max(self._runs, 200 // steps)

    def cpu(self, steps: int, config: dict[str, Any], flush: Callable[[], object]) -> float:
        found = []
        for _ in range(self.runs(steps)):
            gc.collect()
            begin = time.process_time()
            run(steps, config)
            flush()
            found.append(time.process_time() - begin)
        return min(found) * 1000 / steps


def main() -> None:
    name, endpoint, runs = sys.argv[1], sys.argv[2], int(sys.argv[3])
    lengths = [int(n) for n in sys.argv[4].split(",")]
    run(5, {})
    meter = Meter(runs)
    bare = {n: meter.cpu(n, {}, lambda: None) for n in lengths}
    config, flush = importlib.import_module("contenders").START[name](endpoint)
    run(5, config)
    flush()
    rows = []
    for steps in lengths:
        ask(endpoint)
        cpu = meter.cpu(steps, config, flush)
        time.sleep(1)
        wire, plain = (taken / meter.runs(steps) / 1024 for taken in ask(endpoint))
        rows.append({"steps": steps, "bare": bare[steps], "cpu": cpu, "wire": wire, "plain": plain})
    print(json.dumps(rows), flush=True)


def ask(endpoint: str) -> tuple[int, int]:
    """How many bytes the sink took since it was asked last, as sent and uncompressed."""
    with urllib.request.urlopen(f"{endpoint}/taken") as answer:
        wire, plain = json.loads(answer.read())
    return wire, plain


if __name__ == "__main__":
    main()
