"""The socket for channels: `@channel` marks a function that carries one message out."""

import inspect
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from waypost.errors import BadSetting, ChannelFailed
from waypost.outgoing import Answer, Outgoing, Refused, Unreached
from waypost.plugins import discover

PACKAGE = "evaluators.alerts.channels"
GROUP = "waypost.channels"
_AGAIN = "(Sent again: the first sending may have arrived.)"
_PERMANENT_FROM, _PASSING_FROM = 400, 500
_PASSING = frozenset({408, 425, 429})


@dataclass(frozen=True, slots=True)
class Notice:
    """One message on its way: `message` is what the engine composed, `kind` why it is sent.

    `key` is the same whenever this message is sent again; `thread` is the same for every message
    about the incident.
    """

    key: str
    thread: str
    kind: str
    message: Mapping[str, Any]
    repeated: bool = False

    @property
    def title(self) -> str:
        return str(self.message["title"])

    @property
    def text(self) -> str:
        """The whole message; one that may have arrived already says so."""
        return self._marked(str(self.message["text"]))

    @property
    def rest(self) -> str:
        """The message without its title."""
        return self._marked(str(self.message["text"]).partition("\n")[2])

    @property
    def body(self) -> str:
        """What is said about it, without title, links and owner."""
        said = self.message.get("body")
        return self.rest if said is None else self._marked(str(said))

    def _marked(self, text: str) -> str:
        return f"{text}\n{_AGAIN}".lstrip() if self.repeated else text

    @property
    def is_over(self) -> bool:
        return self.message.get("status") == "resolved"

    @property
    def link(self) -> str | None:
        found = self.message.get("links", {}).get("cell")
        return None if found is None else str(found)

    @property
    def runs(self) -> list[str]:
        """The addresses of the runs it names."""
        return [str(link) for link in self.message.get("links", {}).get("traces", ())]


@dataclass(frozen=True, slots=True)
class Target:
    """A configured channel: its kind, and what that kind wants to know."""

    name: str
    kind: str
    options: Mapping[str, str] = field(default_factory=dict)

    def __getitem__(self, option: str) -> str:
        try:
            return self.options[option]
        except KeyError:
            raise ChannelFailed(
                f"Channel {self.name!r} ({self.kind}) needs {option!r}.", permanent=True
            ) from None

    def get(self, option: str, default: str | None = None) -> str | None:
        return self.options.get(option, default)


Send = Callable[[Notice, Target, Outgoing], None]


@dataclass(frozen=True, slots=True)
class Channel:
    """A way out. `needs` and `takes` are the options it must and may have."""

    name: str
    send: Send
    needs: tuple[str, ...]
    takes: tuple[str, ...] = ()

    @property
    def sentence(self) -> str:
        return (inspect.getdoc(self.send) or "").split("\n", maxsplit=1)[0]


def channel(*, needs: tuple[str, ...], takes: tuple[str, ...] = ()) -> Callable[[Send], Channel]:
    """Mark a function as a channel; it raises ChannelFailed when the message did not arrive."""

    def mark(send: Send) -> Channel:
        return Channel(send.__name__, send, needs, takes)

    return mark


def find_channels() -> dict[str, Channel]:
    """Every channel by name."""
    return {c.name: c for c in discover(Channel, package=PACKAGE, group=GROUP)}


def targets(
    document: Mapping[str, Any], environment: Mapping[str, str] | None = None
) -> dict[str, Target]:
    """The channels of a parsed waypost.toml, in `[alerts.channels.NAME]`.

    An option that ends in `_env` names an environment variable, one in `_file` a file.
    """
    values = os.environ if environment is None else environment
    known = find_channels()
    tables = document.get("alerts", {}).get("channels", {})
    if not isinstance(tables, Mapping):
        raise BadSetting("alerts.channels must be tables; write [alerts.channels.NAME] above each.")
    return {name: _target(str(name), table, known, values) for name, table in tables.items()}


def _target(
    name: str, table: object, known: Mapping[str, Channel], environment: Mapping[str, str]
) -> Target:
    if not isinstance(table, Mapping) or table.get("kind") not in known:
        raise BadSetting(f"Channel {name!r} needs a kind: one of {', '.join(sorted(known))}.")
    found = known[str(table["kind"])]
    options: dict[str, str] = {}
    for entry, value in table.items():
        if entry != "kind":
            option, text = _option(name, str(entry), str(value), environment)
            options[option] = text
    for option in found.needs:
        if not options.get(option):
            raise BadSetting(
                f"Channel {name!r} ({found.name}) needs {option!r}; add it to its table."
            )
    unknown = sorted(options.keys() - {*found.needs, *found.takes})
    if unknown:
        there = ", ".join([*found.needs, *found.takes])
        raise BadSetting(
            f"Channel {name!r} ({found.name}) has an unknown entry {unknown[0]!r}; "
            f"there are {there}."
        )
    return Target(name, found.name, options)


def _option(name: str, entry: str, value: str, environment: Mapping[str, str]) -> tuple[str, str]:
    if entry.endswith("_env"):
        if value not in environment:
            raise BadSetting(f"Channel {name!r}: the environment has no {value}; set it.")
        return entry.removesuffix("_env"), environment[value]
    if entry.endswith("_file"):
        try:
            return entry.removesuffix("_file"), Path(value).read_text(encoding="utf-8").strip()
        except OSError as error:
            raise BadSetting(
                f"Channel {name!r}: {value} cannot be read: {error.strerror}."
            ) from error
    return entry, value


def post(
    out: Outgoing,
    url: str,
    body: bytes,
    headers: Mapping[str, str] | None = None,
    *,
    secret: str | None = None,
) -> Answer:
    """POST for channels: faults become ChannelFailed, permanent or worth another try."""
    try:
        answer = out.post(url, body, headers, secret=secret)
    except Refused as error:
        raise ChannelFailed(str(error), permanent=True) from error
    except Unreached as error:
        raise ChannelFailed(str(error)) from error
    if 200 <= answer.status < 300:
        return answer
    passing = answer.status >= _PASSING_FROM or answer.status in _PASSING
    raise ChannelFailed(
        f"The receiver answered {answer.status}.",
        permanent=answer.status < _PERMANENT_FROM or not passing,
    )
