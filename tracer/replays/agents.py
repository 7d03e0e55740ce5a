"""Gives an agent what a recorded run was given: the conversation, and its reviewers' decisions."""

import importlib
import inspect
import uuid
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

from tracer.replays.recording import Recording, said
from waypost.errors import WrongUse

if TYPE_CHECKING:
    from tracer.replays.session import Session

_PAUSED: Final = "__interrupt__"
_SAVER: Final = ("langgraph.checkpoint.memory", "InMemorySaver")
_COMMAND: Final = ("langgraph.types", "Command")
_STORE: Final = ("langgraph.store.memory", "InMemoryStore")


def run(session: "Session", agent: Any) -> Any:
    """What the agent answers; WrongUse if it is nothing that can be called."""
    if not hasattr(agent, "invoke"):
        answer = _called(agent)(session.recording.question)
        if inspect.isawaitable(answer):
            import asyncio

            return asyncio.run(_awaited(answer))
        return answer
    ask = _Conversation(session, agent)
    answer = ask.agent.invoke(ask.first, ask.config)
    while (resume := ask.decision(answer)) is not None:
        answer = ask.agent.invoke(resume, ask.config)
    return answer


async def arun(session: "Session", agent: Any) -> Any:
    """The same with `ainvoke`, or with a function that is awaited."""
    if not hasattr(agent, "ainvoke"):
        answer = _called(agent)(session.recording.question)
        return await answer if inspect.isawaitable(answer) else answer
    ask = _Conversation(session, agent)
    answer = await ask.agent.ainvoke(ask.first, ask.config)
    while (resume := ask.decision(answer)) is not None:
        answer = await ask.agent.ainvoke(resume, ask.config)
    return answer


def text_of(answer: Any) -> str:
    """The text of whatever an agent answered: a string, a message, or a state with messages."""
    if isinstance(answer, Mapping):
        messages = answer.get("messages")
        if isinstance(messages, Sequence) and messages and not isinstance(messages, str):
            return text_of(messages[-1])
        return text_of(next(iter(answer.values()))) if len(answer) == 1 else str(dict(answer))
    text = getattr(answer, "text", None)
    if isinstance(text, str):
        return str(text)
    return "" if answer is None else str(answer)


def detached(graph: Any) -> Any:
    """A copy of a graph that never writes to its user's checkpointer, store or cache."""
    update: dict[str, Any] = {}
    if hasattr(getattr(graph, "checkpointer", None), "put"):
        update["checkpointer"] = _class(*_SAVER)()
    if getattr(graph, "store", None) is not None:
        update["store"] = _class(*_STORE)()
    if getattr(graph, "cache", None) is not None:
        update["cache"] = None
    return graph.copy(update=update) if update else graph


def _class(module: str, name: str) -> Any:
    # By name: the tracer depends on no LangGraph, and a graph that is here has brought it along.
    return getattr(importlib.import_module(module), name)


def _called(agent: Any) -> Callable[[str], Any]:
    if not callable(agent):
        raise WrongUse(
            f"{type(agent).__name__} is no agent: give a LangChain or LangGraph object, or a "
            "function of the user's text."
        )
    found: Callable[[str], Any] = agent
    return found


async def _awaited(answer: Awaitable[Any]) -> Any:
    return await answer


class _Conversation:
    """The inputs of one run of a LangChain object, in order."""

    def __init__(self, session: "Session", agent: Any) -> None:
        self.agent = session.detached(agent) if hasattr(agent, "checkpointer") else agent
        self.first = {"messages": list(_messages(session.recording))}
        self.config: Any = {"configurable": {"thread_id": f"replay-{uuid.uuid4().hex}"}}
        self._left = list(session.recording.decisions)

    def decision(self, answer: Any) -> Any:
        """What a run that waits is resumed with; None if it does not, or nobody had decided."""
        waits = _waiting(answer)
        if not waits or not self._left:
            return None
        return _class(*_COMMAND)(resume=self._resume(waits[0]))

    def _resume(self, interrupt: Any) -> Any:
        asked = getattr(interrupt, "value", interrupt)
        requests = asked.get("action_requests") if isinstance(asked, Mapping) else None
        if not isinstance(requests, Sequence):
            return _plain(self._left.pop(0))
        taken = [self._left.pop(0) for _ in requests if self._left]
        return {"decisions": [_decision(one, requests[at]) for at, one in enumerate(taken)]}


def _waiting(answer: Any) -> Sequence[Any]:
    found = answer.get(_PAUSED) if isinstance(answer, Mapping) else None
    return found if isinstance(found, Sequence) else ()


def _decision(human: Any, request: Any) -> dict[str, Any]:
    """One decision as LangChain's review middleware reads it."""
    word, comment = said(human, "decision"), said(human, "comment")
    decision: dict[str, Any] = {"type": word}
    if comment:
        decision["message"] = comment
    if word == "edit":
        arguments = said(human, "arguments")
        decision["edited_action"] = {
            "name": request.get("name"),
            "args": request.get("args") if arguments is None else arguments,
        }
    return decision


def _plain(human: Any) -> Any:
    """The answer to a graph's own question."""
    word, comment = said(human, "decision"), said(human, "comment")
    return comment if word == "respond" else {"type": word, "decision": word, "message": comment}


def _messages(recording: Recording) -> Iterator[Any]:
    """The recorded conversation as LangChain's messages, without what the agent adds itself."""
    from tracer.replays.langchain import conversation_of

    return conversation_of(recording.conversation)
