"""What Postgres refuses and what is too large, made storable and noted."""

import math
from base64 import b64encode
from dataclasses import dataclass, field
from typing import Final

from waypost.records import Json

NUL: Final = "\0"
NUL_SIGN: Final = "␀"
_INT64: Final = 2**63 - 1
_SHORT: Final = 4096


@dataclass(frozen=True, slots=True)
class Limits:
    """How much of one span is taken; the rest is cut or refused, and counted."""

    attribute: int = 1 << 20
    own_attribute: int = 256 << 10
    span: int = 4 << 20
    attributes: int = 1024
    events: int = 1024
    links: int = 1024
    depth: int = 64
    key: int = 1024
    name: int = 4096


@dataclass(slots=True)
class Cleaner:
    """Cleans the values of one span and remembers what it changed."""

    limits: Limits
    limit: int
    size: int = 0
    changes: dict[str, int] = field(default_factory=dict)

    def note(self, what: str, amount: int = 1) -> None:
        self.changes[what] = self.changes.get(what, 0) + amount

    @property
    def notes(self) -> tuple[str, ...]:
        return tuple(f"{what}={amount}" for what, amount in self.changes.items())

    def text(self, value: str, where: str = "text") -> str:
        """The value without what Postgres refuses, cut at the limit."""
        if len(value) <= _SHORT and value.isascii():
            return self._nul(value) if NUL in value else value
        return self._long(value, where)

    def _nul(self, value: str) -> str:
        self.note("nul", value.count(NUL))
        return value.replace(NUL, NUL_SIGN)

    def _long(self, value: str, where: str) -> str:
        if NUL in value:
            value = self._nul(value)
        try:
            body = value.encode()
        except UnicodeEncodeError:
            body = value.encode("utf-8", "surrogatepass")
            value = body.decode("utf-8", "replace")
            body = value.encode()
            self.note("repaired")
        if len(body) > self.limit:
            self.note(f"truncated:{where[:64]}", len(body))
            value = body[: self.limit].decode("utf-8", "ignore")
        self.size += min(len(body), self.limit)
        return value

    def key(self, value: str) -> str:
        value = self.text(value, "key")
        if len(value) > self.limits.key:
            self.note("key_cut", len(value))
            value = value[: self.limits.key]
        return value

    def name(self, value: str) -> str:
        return self.text(value, "name")[: self.limits.name]

    def number(self, value: float) -> Json:
        """The number, or its text where JSON has no word for it."""
        if isinstance(value, bool):
            return value
        if isinstance(value, int):
            return value if -_INT64 <= value <= _INT64 else str(value)
        return value if math.isfinite(value) else number_text(value)

    def data(self, value: bytes, where: str) -> str:
        return self.text(b64encode(value).decode("ascii"), where)

    def too_deep(self) -> str:
        self.note("depth_cut")
        return "…"


def number_text(value: float) -> str:
    """How OTLP writes the numbers that JSON cannot."""
    if math.isnan(value):
        return "NaN"
    return "Infinity" if value > 0 else "-Infinity"
