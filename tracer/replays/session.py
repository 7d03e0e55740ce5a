"""`tracer.replay`: one session in which a recorded run answers what the agent asks."""

import threading
from collections.abc import Callable, Iterable, Mapping
from contextvars import Token
from types import TracebackType
from typing import Any, Final, TypeAlias

from tracer.replays.alike import Alike, Asked, Difference, definitions, excerpts, where
from tracer.replays.answers import Answers
from tracer.replays.recording import Answer, Recording, read, text_of
from tracer.run import REPLAY
from waypost.errors import BadSetting, NotRecorded, WrongUse
from waypost.records import Trajectory

OnMiss: TypeAlias = str | Callable[[str, Any], Any]
Give: TypeAlias = Callable[[], Any]

_MODELS: Final = ("recorded", "live")
_COMMAND: Final = "only its message is recorded; a tool that moves state or control is named live"
_MISSES: Final = ("error", "live")


def replay(
    recording: Trajectory | Mapping[str, Any],
    *,
    models: str = "recorded",
    until: int | None = None,
    on_miss: OnMiss = "error",
    live: Iterable[str] = (),
    answered: Iterable[str] = (),
    normalise: Callable[[str], str] | None = None,
) -> "Session":
    """Execute a recorded run again: `with tracer.replay(run) as session: session.run(agent)`.

    As it stands, every model, tool and retriever is answered from the recording, save that one
    below which models or tools were recorded runs its own code, and what it calls is answered:
    `session.counts["own_code"]` says how often. What nodes and middleware do by themselves
    really happens. What differs is in `session.differences`, and NotRecorded is raised at the
    end when something had no answer. With `models="live"`, or from step `until` on, models
    really run while tools stay answered: `on_miss` is "error", "live" or a function of the
    tool's name and arguments. Tools in `live` always run; those in `answered` never do, not
    even when models were called below them. `normalise` takes out of texts what may change,
    such as a date.
    """
    if models not in _MODELS:
        raise BadSetting(f"models={models!r} is not one of {', '.join(_MODELS)}.")
    if not callable(on_miss) and on_miss not in _MISSES:
        raise BadSetting(f"on_miss={on_miss!r} is not error, live or a function.")
    sealed = models == "recorded" and until is None
    if sealed and on_miss != "error":
        raise BadSetting(
            "on_miss is for models that run: give models='live' or until=N with it. A tool that "
            "must run is named in live=[...]."
        )
    return Session(
        read(recording), Alike(normalise), until=0 if models == "live" else until,
        on_miss=on_miss, live=frozenset(live), answered=frozenset(answered),
    )  # fmt: skip


class Session:
    """One run executed again. `until` is None where nothing but the recording may answer."""

    def __init__(
        self, recording: Recording, alike: Alike, *, until: int | None, on_miss: OnMiss,
        live: frozenset[str], answered: frozenset[str],
    ) -> None:  # fmt: skip
        self.recording = recording
        self.differences: list[Difference] = []
        self.traces: list[str] = []
        self.counts: dict[str, int] = {"answered": 0, "live": 0, "missed": 0, "own_code": 0}
        self.cut: list[int] = []
        self.broken: str | None = None
        self.closed = False  # what was started inside may live longer than the block
        self._alike = alike
        self._answers = Answers(recording, alike)
        self._until = until
        self._on_miss = on_miss
        self._live = live
        self._answered = answered
        self._lock = threading.RLock()
        self._graphs: dict[int, tuple[Any, Any]] = {}
        self._token: Token[Any] | None = None

    # --- the block ---

    def __enter__(self) -> "Session":
        if self._token is not None:
            raise WrongUse("A replay runs once; call tracer.replay again for another.")
        from tracer.replays.interception import INTERCEPTION

        listener = INTERCEPTION.open(self)
        self._token = REPLAY.set(listener)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None,
        stack: TracebackType | None,
    ) -> None:  # fmt: skip
        from tracer.replays.interception import INTERCEPTION

        assert self._token is not None, "a block that ends has begun"
        self.closed = True
        try:
            REPLAY.reset(self._token)
        finally:
            INTERCEPTION.close()
        if error is None and self.broken is None:
            self._note_left()
        if self.broken is not None and _hides(error):
            raise NotRecorded(self.broken) from error

    def _note_left(self) -> None:
        """What was recorded and not asked for; models that run ask as often as they like."""
        for answer in list(self._answers.left()):
            if answer.kind != "llm" or self.sealed:
                given = answer.say("query") or answer.say("arguments")
                self._differs(answer, "not called", given, None)

    def run(self, agent: Any) -> Any:
        """Give the agent what the recorded run was given, and its reviewers' decisions.

        A LangChain or LangGraph object gets `{"messages": […]}`, a function the user's text. The
        agent's own checkpointer is never written to. What it answered is returned; WrongUse
        outside of the session's block, where the agent would touch the world.
        """
        from tracer.replays import agents

        self._must_sit_here()
        answer = agents.run(self, agent)
        self.compare_answer(agents.text_of(answer))
        return answer

    async def arun(self, agent: Any) -> Any:
        """The same for agents that are awaited."""
        from tracer.replays import agents

        self._must_sit_here()
        answer = await agents.arun(self, agent)
        self.compare_answer(agents.text_of(answer))
        return answer

    def _must_sit_here(self) -> None:
        listener = REPLAY.get()
        if listener is None or listener.session is not self or self.closed:
            raise WrongUse(
                "This replay is not open here, so models and tools would really run. Run the "
                "agent inside `with tracer.replay(run) as session:`, where that was opened."
            )

    @property
    def trace_id(self) -> str | None:
        """The trace of the new run, once it began and where the tracer records it."""
        return self.traces[0] if self.traces else None

    def began(self, trace_id: str) -> str:
        """The tracer begins to record a run of this session; of which one it is a replay."""
        with self._lock:
            self.traces.append(trace_id)
        return self.recording.run_id

    def compare_answer(self, answer: str) -> None:
        """Where nothing but the recording answers, the final answer should be the recorded one."""
        recorded = "\n".join(filter(None, map(text_of, self.recording.output)))
        same = self._alike.text(recorded) == self._alike.text(answer)
        if self.sealed and recorded and answer and not same:
            one, other = excerpts(self._alike.text(recorded), self._alike.text(answer))
            self.differences.append(Difference(self.recording.agent, "answer", one, other))

    # --- what is asked ---

    @property
    def all_live(self) -> bool:
        """Whether no model is answered at all."""
        return self._until == 0

    @property
    def sealed(self) -> bool:
        """Whether nothing but the recording may answer."""
        return self._until is None

    def detached(self, graph: Any) -> Any:
        """The graph on a checkpointer, a store and a cache of this session's own."""
        from tracer.replays.agents import detached

        with self._lock:
            known = self._graphs.get(id(graph))
            if known is None or known[0] is not graph:
                made = detached(graph)
                known = self._graphs[id(graph)] = (graph, made)
                self._graphs[id(made)] = (made, made)
        return known[1]

    def check(self) -> None:
        """Refuse every call once one had no answer."""
        if self.broken is not None:
            raise NotRecorded(self.broken)

    def model(self, run: Any, messages: Any, options: Mapping[str, Any]) -> Give | None:
        """What a model answers; None where it is to run."""
        from tracer.replays.langchain import error_of, message_of

        with self._lock:
            self.check()
            if run.lives:
                return None
            if self.all_live:
                return self._lives(run)
            asked = self._alike.live(messages)
            found, equal = self._answers.model(run.place, asked)
            name = where(run.place, run.model or "a model")
            if self._until is not None and (found is None or found.number >= self._until):
                return self._lives(run, found)
            if found is None:
                return self._break(f"{name} was asked once more than was recorded there")
            self._answer(found)
            self._compare(found, None if equal or found.is_cut else asked, run)
        fault = found.error
        if fault is not None:
            raise error_of(*fault)
        return lambda: message_of(found, options)

    def tool(self, run: Any, name: str, *, commands: bool = False) -> Give | None:
        """What a tool gives back; None where its own code is to run.

        Of a command only the message is recorded, not what it does to state and control.
        """
        from tracer.replays.langchain import result_of

        with self._lock:
            self.check()
            found = self._answers.tool(
                run.place, name, run.call_id, run.arguments, again=not self.sealed
            )
            if found is None and not self.sealed:
                found = self._answers.sub_agent(run.place, name)
                if found is not None:
                    self._differs(found, "arguments", found.say("arguments"), run.arguments)
            if found is None:
                return self._runs() if name in self._live else self._missed(run, name)
            if found.used:
                self._differs(found, "called again", None, run.arguments)
            run.inside = found.inside
            if name in self._live:
                return self._runs(found)
            found.used = True
            if found.inner and name not in self._answered:
                return self._runs_itself()
            self._answer(found)
            found.whole = True
            if commands and name not in self._answered:
                self._differs(found, "command", None, _COMMAND)
        return lambda: result_of(found, self.recording, run.call_id or None, name)

    def retriever(self, run: Any, name: str) -> Give | None:
        """What a retriever finds; None where it is to search."""
        from tracer.replays.langchain import documents_of, error_of

        with self._lock:
            self.check()
            query = str(run.arguments or "")
            found = self._answers.retrieval(run.place, name, query, again=not self.sealed)
            if found is None:
                return self._runs() if name in self._live else self._missed(run, name)
            if name in self._live:
                return self._runs(found)
            found.used = True
            if found.inner:
                return self._runs_itself()
            self._answer(found)
            found.whole = True
        fault = found.error
        if fault is not None:
            raise error_of(*fault)
        return lambda: documents_of(found)

    # --- inside ---

    def _answer(self, found: Answer) -> None:
        found.used = True
        self.counts["answered"] += 1
        if found.is_cut:
            self.cut.append(found.number)

    def _runs(self, found: Answer | None = None) -> Give | None:
        if found is not None:
            found.used = True
        self.counts["live"] += 1
        return None

    def _runs_itself(self) -> Give | None:
        """What called others that were recorded: those are answered, its own code is not."""
        self.counts["own_code"] += 1
        return None

    def _lives(self, run: Any, found: Answer | None = None) -> Give | None:
        """A model runs; on its way there LangChain may pass more than one of our wrappers."""
        run.lives = True
        return self._runs(found)

    def _break(self, what: str) -> Give:
        """From here on nothing is answered any more."""
        self.counts["missed"] += 1
        self.broken = (
            f"Run {self.recording.run_id} could not be executed again: {what}. Everything after "
            "that was refused. A changed agent is tried with models='live'."
        )
        raise NotRecorded(self.broken)

    def _missed(self, run: Any, name: str) -> Give | None:
        """A tool or retriever was called as it never was in the recording."""
        from tracer.replays.langchain import refusal

        place = where(run.place, name)
        if self.sealed:
            return self._break(f"{place} was called with {self._shown(run.arguments)}")
        self.counts["missed"] += 1
        now = self._shown(run.arguments)
        self.differences.append(Difference(place, "new call", None, now))
        if self._on_miss == "live":
            return None
        if callable(self._on_miss):
            ask = self._on_miss
            return lambda: ask(name, run.arguments)
        sentence = f"{name} was not run: the recording holds no answer to these arguments."
        if isinstance(run.arguments, str):
            raise NotRecorded(sentence)
        return lambda: refusal(run.call_id or None, name, sentence)

    def _compare(self, found: Answer, asked: Asked | None, run: Any) -> None:
        """Note what is otherwise than when this answer was recorded."""
        recorded, now = found.say("model_requested"), run.model
        if recorded and now and recorded != now:
            self._differs(found, "model", recorded, now)
        tools, bound = definitions(found.say("tools")), definitions(run.tools)
        if tools is not None and self._alike.text(tools) != self._alike.text(bound or {}):
            self._differs(found, "tools", tools, bound)
        if asked is None:
            return
        before = self._alike.recorded(found)
        if before.system != asked.system:
            self._differs(found, "system prompt", before.system, asked.system)
        for at in range(max(len(before.messages), len(asked.messages))):
            old = before.messages[at] if at < len(before.messages) else None
            new = asked.messages[at] if at < len(asked.messages) else None
            if old != new:
                self._differs(found, f"message {at + 1}", old, new)
                break  # what follows a first difference follows from it

    def _differs(self, found: Answer, what: str, recorded: object, now: object) -> None:
        one = None if recorded is None else self._alike.text(recorded)
        other = None if now is None else self._alike.text(now)
        if one is not None and other is not None:
            one, other = excerpts(one, other)
        place = where(found.place, found.name)
        with self._lock:
            self.differences.append(Difference(place, what, one, other, found.number))

    def _shown(self, value: object) -> str:
        return excerpts(self._alike.text(value), "")[0]


def _hides(error: BaseException | None) -> bool:
    """Whether the block ended as if the agent had gone on: well, or with another's error."""
    return error is None or (isinstance(error, Exception) and not isinstance(error, NotRecorded))
