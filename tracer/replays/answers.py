"""Which recorded answer a call gets: each is given once, the one that fits best first."""

from collections.abc import Callable, Iterable
from typing import Any

from tracer.replays.alike import Alike, Asked
from tracer.replays.recording import Answer, Place, Recording, loose


class Answers:
    """The recorded answers that are left."""

    def __init__(self, recording: Recording, alike: Alike) -> None:
        self._recording = recording
        self._alike = alike

    def model(self, place: Place, asked: Asked) -> tuple[Answer | None, bool]:
        """One to an equal input, at this place first, else the next one here; and if it is equal.

        A place counts exactly, then by its tools alone; an equal input also anywhere else, as a
        model that is called in a bare thread has lost its place.
        """
        left = [a for a in self._recording.models if not a.used]
        here = [a for a in left if a.place == place]
        near = [a for a in left if loose(a.place) == loose(place)]
        digest = asked.digest
        for some in (here, near, left):
            equal = next((a for a in some if self._alike.digest(a) == digest), None)
            if equal is not None:
                return equal, True
        return next(iter(here or near), None), False

    def tool(
        self, place: Place, name: str, call_id: str, arguments: object, *, again: bool
    ) -> Answer | None:
        """The answer to an equal call; with `again` also one that was given before."""
        equal = [
            a for a in self._recording.tools
            if a.name == name and self._alike.arguments(a.say("arguments"), arguments)
        ]  # fmt: skip
        return _best(
            equal, again,
            lambda a: bool(call_id) and a.call_id == call_id and a.place == place,
            lambda a: a.place == place,
        )  # fmt: skip

    def sub_agent(self, place: Place, name: str) -> Answer | None:
        """A tool below which models were recorded, whatever its arguments were."""
        known = [a for a in self._recording.tools if a.name == name and a.inner]
        return _best(known, True, lambda a: a.place == place)

    def retrieval(self, place: Place, name: str, query: str, *, again: bool) -> Answer | None:
        """The documents of an equal query, of this retriever and place first."""
        text = self._alike.text(query)
        equal = [
            a for a in self._recording.retrievals
            if self._alike.text(str(a.say("query") or "")) == text
        ]  # fmt: skip
        return _best(
            equal, again, lambda a: a.place == place and a.name == name, lambda a: a.name == name
        )

    def left(self) -> Iterable[Answer]:
        """What nobody asked for, as far as it could be: not below a tool that was answered."""
        for answer in self._recording.all:
            above: Any = answer.above
            if not answer.used and (above is None or (above.used and not above.whole)):
                yield answer


def _best(
    equal: list[Answer], again: bool, *ranks: Callable[[Answer], bool]
) -> Answer | None:  # fmt: skip
    fresh = [a for a in equal if not a.used]
    for found in (fresh, equal if again else []):
        for rank in (*ranks, _any):
            best = next((a for a in found if rank(a)), None)
            if best is not None:
                return best
    return None


def _any(_: Answer) -> bool:
    return True
