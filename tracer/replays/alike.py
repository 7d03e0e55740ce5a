"""When two inputs count as the same: by what they say, whatever was redacted in either."""

import json
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from typing import Any, Final

from tracer import extract
from tracer.payload import safe
from tracer.replays.recording import Answer, Place, said
from waypost.records import Json
from waypost.redact import Redactor

_PLACEHOLDER: Final = re.compile(r"\[([A-Z][A-Z_]{2,30})(?::[^\]\s]{1,80})?\]")
_SHOWN: Final = 600


@dataclass(frozen=True, slots=True)
class Difference:
    """One thing that was otherwise than recorded; `step` is the recorded step, if there is one."""

    place: str
    what: str
    recorded: str | None = None
    now: str | None = None
    step: int | None = None

    def __str__(self) -> str:
        at = f"step {self.step}, " if self.step else ""
        return f"{at}{self.place}: {self.what}: {self.recorded!r} was recorded, now {self.now!r}"


@dataclass(frozen=True, slots=True)
class Asked:
    """What a model is asked, in a form that can be compared."""

    system: str
    messages: tuple[str, ...]

    @property
    def digest(self) -> bytes:
        """Sixteen bytes that name the input."""
        text = "\x00".join((self.system, *self.messages))
        return blake2b(text.encode("utf-8", "replace"), digest_size=16).digest()


class Alike:
    """Brings recorded and live inputs into one form.

    What the recording's redaction took out cannot be compared, so the strictest one is applied
    to both sides, once for each text. Messages are kept with the object, so that an id stays its
    own.
    """

    def __init__(self, normalise: Callable[[str], str] | None = None) -> None:
        self._redactor = Redactor("strict")
        self._normalise = normalise
        self._known: dict[int, tuple[Any, Any, Any, str]] = {}
        self._clean: dict[str, str] = {}

    def text(self, value: object) -> str:
        """A value as text: plain texts as they are, anything else as sorted JSON."""
        if not isinstance(value, str):
            value = json.dumps(safe(value), ensure_ascii=False, sort_keys=True)
        text = self._clean.get(value)
        if text is None:
            text = _PLACEHOLDER.sub(r"[\1]", self._redactor.text(value)[0])
            text = self._clean[value] = self._normalise(text) if self._normalise else text
        return text

    def live(self, messages: Sequence[Any]) -> Asked:
        """What a live model is asked."""
        system, rest = extract.split_system(messages)
        parts = extract.system_parts(system)
        return Asked(self._parts(parts), tuple(self._message(m, extract.message_of) for m in rest))

    def recorded(self, answer: Answer) -> Asked:
        """What a recorded model was asked."""
        system = self._parts(answer.say("system") or ())
        return Asked(system, tuple(self._message(m, _shape) for m in answer.say("input") or ()))

    def digest(self, answer: Answer) -> bytes:
        """The name of a recorded input, made once."""
        if answer.digest is None:
            answer.digest = self.recorded(answer).digest
        return answer.digest

    def arguments(self, one: object, other: object) -> bool:
        """Whether two calls of a tool say the same; a lone argument may stand without its name."""
        if self.text(one) == self.text(other):
            return True
        return any(
            isinstance(a, Mapping) and set(a) == {"input"} and isinstance(b, Mapping)
            and len(b) == 1 and self.text(a["input"]) == self.text(next(iter(b.values())))
            for a, b in ((one, other), (other, one))
        )  # fmt: skip

    def _message(self, message: Any, shape: Callable[[Any], Mapping[str, Any]]) -> str:
        content, calls = said(message, "content"), said(message, "tool_calls")
        known = self._known.get(id(message))
        if known is not None and _same(known, message, content, calls):
            return known[3]
        found = shape(message)
        text = f"{found['role']}: {self._parts(found['parts'])}"
        self._known[id(message)] = (message, content, calls, text)
        return text

    def _parts(self, parts: Iterable[Any]) -> str:
        return self.text("\n".join(filter(None, map(_part, parts))))


def _same(known: tuple[Any, ...], *now: Any) -> bool:
    """Whether these are the very objects, so that nothing can have changed."""
    return all(one is other for one, other in zip(known, now, strict=False))


def _shape(message: Any) -> dict[str, Any]:
    return {"role": said(message, "role"), "parts": said(message, "parts") or ()}


def _part(part: Any) -> str:
    """One part of a message as text; ids of messages and notes of clients are left out."""
    if not isinstance(part, Mapping):
        return str(part)
    kind = part.get("type")
    if kind == "text":
        return str(part.get("content") or "")
    if kind == "reasoning":
        return f"<reasoning> {part.get('content') or ''}"
    if kind == "tool_call":
        arguments = _json(part.get("arguments"))
        return f"<call {part.get('id')}> {part.get('name')} {arguments}"
    if kind == "tool_call_response":
        response = part.get("response")
        text = response if isinstance(response, str) else _json(response)
        return f"<answer {part.get('id')}> {text}"
    return _json({k: v for k, v in part.items() if v is not None and k != "index"})


def _json(value: object) -> str:
    return json.dumps(safe(value), ensure_ascii=False, sort_keys=True)


def definitions(tools: object) -> Json:
    """Bound tools by name, in one shape; None where a recording does not say them."""
    if not isinstance(tools, list | tuple) or not tools:
        return None
    shapes = [extract.tool_definition(tool) for tool in tools]
    named = {str(s.get("name")) if isinstance(s, Mapping) else str(s): safe(s) for s in shapes}
    return dict(sorted(named.items()))


def where(place: Place, name: str) -> str:
    """A place in words."""
    return " › ".join([*(entry[1] for entry in place), name])


def excerpts(recorded: str, now: str) -> tuple[str, str]:
    """Two texts from shortly before the point where they part, each in a readable length."""
    at = next(
        (i for i, (a, b) in enumerate(zip(recorded, now, strict=False)) if a != b),
        min(len(recorded), len(now)),
    )
    begin = max(0, at - 60) if max(len(recorded), len(now)) > _SHOWN else 0
    return _excerpt(recorded, begin), _excerpt(now, begin)


def _excerpt(text: str, begin: int) -> str:
    shown = text[begin : begin + _SHOWN]
    return f"{'…' if begin else ''}{shown}{'…' if begin + _SHOWN < len(text) else ''}"
