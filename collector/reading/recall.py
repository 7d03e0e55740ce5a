"""Messages already read: a conversation is sent whole with every call, and read once."""

from collections.abc import Callable, Hashable
from typing import Final

from waypost.records import Message

_LIMIT: Final = 16 << 20
_PLACES: Final = 65_536
_MOVED: Final = 500
# Before a tail, which may begin with something that makes other sense at the head of a list.
_MESSAGE: Final = '{"role":"user","parts":[]}'

Key = tuple[str, str]
Slot = tuple[str, int]  # list, index
Place = tuple[Slot, str] | None


class Recall:
    """A bounded memory of messages, by what they were read from.

    Two generations stand in for an order of use: what is asked for again moves to the young one,
    and the old one is dropped when the young one is full.
    """

    def __init__(self, limit: int = _LIMIT) -> None:
        self._limit = limit
        self._young: dict[Hashable, tuple[Message, ...]] = {}
        self._old: dict[Hashable, tuple[Message, ...]] = {}
        self._size = 0
        self._texts: dict[Key, tuple[str, tuple[Message, ...]]] = {}
        self._texts_size = 0
        self.places: dict[str, Place] = {}
        self._slots: dict[Slot, Slot] = {}

    def place(self, name: str, split: Callable[[str], Place]) -> Place:
        """Where a flattened name belongs; worked out once, for the names repeat."""
        if len(self.places) >= _PLACES:
            self.places.clear()
            self._slots.clear()
        found = split(name)
        if found is not None:
            slot, rest = found
            found = (self._slots.setdefault(slot, slot), rest)
        self.places[name] = found
        return found

    def known(self, key: Hashable) -> tuple[Message, ...] | None:
        """The messages read from this before; TypeError for what cannot be looked up."""
        found = self._young.get(key)
        if found is None:
            found = self._old.get(key)
            if found is not None:
                self.keep(key, found, _MOVED)
        return found

    def keep(self, key: Hashable, messages: tuple[Message, ...], size: int) -> None:
        """Remember messages that are about so large."""
        self._young[key] = messages
        self._size += size
        if self._size > self._limit:
            self._old, self._young, self._size = self._young, {}, 0

    def grown(
        self, key: Key, text: str, build: Callable[[str], tuple[Message, ...]]
    ) -> tuple[Message, ...]:
        """The messages of a JSON list that usually begins with the one sent before it."""
        known = self._texts.get(key)
        body = text.rstrip()
        if not body.endswith("]"):
            return build(text)
        if known is not None and body.startswith(known[0]):
            tail = body[len(known[0]) : -1].lstrip()
            if not tail:
                return known[1]
            if tail[0] == "," and len(known[1]) > 1:  # one may be a list of parts
                messages = known[1] + build(f"[{_MESSAGE},{tail[1:]}]")[1:]
                self._keep(key, body[:-1], messages)
                return messages
        messages = build(text)
        self._keep(key, body[:-1], messages)
        return messages

    def _keep(self, key: Key, text: str, messages: tuple[Message, ...]) -> None:
        known = self._texts.pop(key, None)
        self._texts_size += len(text) - (len(known[0]) if known else 0)
        self._texts[key] = (text, messages)
        while self._texts_size > self._limit and self._texts:
            oldest = next(iter(self._texts))
            self._texts_size -= len(self._texts.pop(oldest)[0])
