"""The shared labelled runs, read into the records that the store would give back."""

import gzip
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from tests.shared import DATA
from waypost.records import Kind, Message, Status, Step, Trajectory

Row = dict[str, Any]
SECOND = 1_000_000_000
RUN_SETS = ("tau2_bench", "tau_bench", "agentrx", "who_and_when", "stepshield")


@dataclass(frozen=True, slots=True)
class Recorded:
    """A labelled run: the row, the trajectory made of it, and the steps of each message."""

    row: Row
    run: Trajectory
    steps_of: Mapping[int, tuple[int, ...]]


def read_rows(name: str, root: Path = DATA) -> list[Row]:
    path = root / name / "data.jsonl"
    if path.exists():
        return [json.loads(line) for line in path.read_text("utf-8").splitlines()]
    with gzip.open(f"{path}.gz", "rt", encoding="utf-8") as lines:
        return [json.loads(line) for line in lines]


@lru_cache(maxsize=8)
def _context(name: str, root: Path = DATA) -> Row:
    path = root / name / "context.json"
    if path.exists():
        return dict(json.loads(path.read_text("utf-8")))
    if Path(f"{path}.gz").exists():
        with gzip.open(f"{path}.gz", "rt", encoding="utf-8") as file:
            return dict(json.load(file))
    return {"texts": {}, "tools": {}}


def recorded_runs(name: str, root: Path = DATA) -> Iterator[Recorded]:
    """Every run of a set, system prompts and tool schemas put back."""
    texts = _context(name, root)
    for row in read_rows(name, root):
        messages = [
            dict(m, content=texts["texts"][m["content_ref"]]) if m.get("content_ref") else m
            for m in row["messages"]
        ]
        tools = texts["tools"].get(row.get("tools_ref")) or ()
        yield build({**row, "messages": messages}, tuple(tools))


def build(row: Row, tools: tuple[Any, ...] = ()) -> Recorded:
    """A run of labelled messages as a trajectory: assistants are model steps, tools tool steps."""
    maker = _Maker(row, tools)
    for index, message in enumerate(row["messages"]):
        maker.add(index, message)
    return maker.done()


class _Maker:
    def __init__(self, row: Row, tools: tuple[Any, ...]) -> None:
        self.row, self.tools = row, tools
        self.history: list[Message] = []
        self.steps: list[Step] = []
        self.steps_of: dict[int, tuple[int, ...]] = {}
        self.calls: list[Row] = []

    def add(self, index: int, message: Row) -> None:
        role = message["role"]
        if role == "assistant":
            self._model(index, message)
        elif role == "tool":
            self._tool(index, message)
        elif role != "user_tool":
            text = message.get("content") or ""
            self.history.append(Message(role, ({"type": "text", "content": text},)))

    def _step(self, kind: Kind, name: str, **more: Any) -> Step:
        number = len(self.steps) + 1
        begin = number * SECOND
        return Step(
            trace_id=self.row["id"],
            span_id=f"{number:016x}",
            parent_id=None,
            kind=kind,
            name=name,
            started_at=begin,
            ended_at=begin + SECOND // 2,
            number=number,
            **more,
        )

    def _model(self, index: int, message: Row) -> None:
        parts: list[Any] = []
        if message.get("content"):
            parts.append({"type": "text", "content": message["content"]})
        for call in message.get("tool_calls") or ():
            self.calls.append(call)
            parts.append({"type": "tool_call", **call})
        said = Message("assistant", tuple(parts))
        step = self._step(
            Kind.LLM,
            "chat",
            agent=message.get("name"),
            input=tuple(self.history),
            output=(said,),
            tools=self.tools or None,
        )
        self._keep(index, step)
        self.history.append(said)

    def _tool(self, index: int, message: Row) -> None:
        call = self._call_answered(message)
        name = message.get("name") or call.get("name") or "tool"
        failed = bool(message.get("error"))
        step = self._step(
            Kind.TOOL,
            name,
            tool=name,
            call_id=message.get("tool_call_id"),
            arguments=call.get("arguments"),
            result=message.get("content"),
            status=Status.ERROR if failed else Status.OK,
        )
        self._keep(index, step)
        part = {
            "type": "tool_call_response",
            "id": message.get("tool_call_id"),
            "response": message.get("content"),
        }
        self.history.append(Message("tool", (part,)))

    def _call_answered(self, message: Row) -> Row:
        """The call a tool message answers: by its id, else the oldest that is still open."""
        wanted = message.get("tool_call_id")
        call = next((c for c in self.calls if wanted and c.get("id") == wanted), None)
        call = call or next(iter(self.calls), None)
        if call is None:
            return {}
        self.calls.remove(call)
        return call

    def _keep(self, index: int, step: Step) -> None:
        self.steps.append(step)
        self.steps_of[index] = (*self.steps_of.get(index, ()), len(self.steps))

    def done(self) -> Recorded:
        users = tuple(m for m in self.history if m.role == "user")
        task = Message("user", ({"type": "text", "content": str(self.row.get("task") or "")},))
        final = next((s for s in reversed(self.steps) if s.kind is Kind.LLM), None)
        run = Trajectory(
            id=self.row["id"],
            traces=(self.row["id"],),
            steps=tuple(self.steps),
            agent=self.row.get("model"),
            input=users[:1] or (task,),
            output=final.output if final else (),
            final_step=final.number if final else None,
            started_at=SECOND,
            ended_at=(len(self.steps) + 1) * SECOND,
        )
        return Recorded(self.row, run, self.steps_of)
