"""A page's answer in its HTML, painted before Streamlit's script has come and connected."""

import logging
import re
from base64 import b64encode
from collections.abc import Callable
from functools import cache
from importlib.resources import files
from typing import Final
from urllib.parse import unquote, urlencode

import orjson
from starlette.requests import HTTPConnection
from starlette.types import Scope

from ui import asked, frame, opened, place, theme, words
from ui.app import HOME, screens_found
from ui.asked import Asked
from ui.blocks import Block
from ui.place import Place
from ui.screen import Screen
from ui.widgets.inline import script, style
from waypost.errors import WaypostError
from waypost.links import WINDOWS
from waypost.records import Json
from waypost.roles import Person

ZONE: Final = "waypost_zone"
_EXPORT: Final = re.compile(r"^export (default )?", re.MULTILINE)
log = logging.getLogger("waypost.ui")
Who = Callable[[HTTPConnection], Person | None]


class Firsts:
    """Makes what is painted first; `who` says which person a request comes from."""

    def __init__(self, who: Who) -> None:
        self._who = who

    def __call__(self, scope: Scope) -> bytes:
        """The HTML to put into a page; nothing when it has to wait for Streamlit."""
        request = HTTPConnection(scope)
        zone = unquote(request.cookies.get(ZONE, ""))
        screen = _screen(request.url.path.strip("/") or HOME)
        if not zone or screen is None or screen.first is None:
            return b""
        with asked.asked_by(Asked(dict(request.query_params), zone)):
            try:
                person = self._who(request)
                return b"" if person is None else _html(_painted(screen, person))
            except WaypostError as error:
                log.info("a page is not painted early: %s", error)
                return b""


def _screen(path: str) -> Screen | None:
    return next((one for one in screens_found() if one.path == path), None)


def _painted(screen: Screen, person: Person) -> dict[str, Json] | None:
    here, choices = frame.place_and_choices()
    blocks = screen.first(here) if screen.first else None
    if blocks is None:
        return None
    return {
        "title": screen.title,
        "bare": screen.bare,
        "question": screen.question,
        "who": "" if opened.settings().users is None else f"{person.name} · {person.role}",
        "logo": _logo(),
        "menu": [_entry(one, screen) for one in screens_found() if not one.hidden],
        "choices": [words.label(choice.chosen) for choice in choices],
        "until": _until(here),
        "windows": [[name, _window(name), name == here.win] for name in WINDOWS],
        "blocks": blocks,
        "style": _styles(blocks),
    }


def _entry(one: Screen, current: Screen) -> Json:
    return [one.title, "./" if one.path == HOME else one.path, one is current]


def _until(here: Place) -> Json:
    """The end of a window that lies in the past, and the way back to now."""
    return [] if here.until is None else [["✕ " + words.clock(here.until), _window(here.win)]]


def _window(name: str) -> str:
    """The address with this window, which ends now."""
    kept = {k: v for k, v in place.along({"win": name}).items() if k != "until"}
    return "?" + urlencode(kept)


@cache
def _logo() -> str:
    raw = (files("ui") / "static" / "logo.svg").read_bytes()
    return "data:image/svg+xml;base64," + b64encode(raw).decode()


def _styles(blocks: list[Block]) -> dict[str, Json]:
    own = (files("ui") / "first.css").read_text(encoding="utf-8")
    found: dict[str, Json] = {"first": theme.variables() + own}
    return found | {name: style(name) for name in _components(blocks)}


def _components(blocks: list[Block]) -> list[str]:
    return [str(b["name"]) for b in blocks if isinstance(b, dict) and b["kind"] == "component"]


def _html(painted: dict[str, Json] | None) -> bytes:
    if painted is None:
        return b""
    blocks = painted["blocks"]
    assert isinstance(blocks, list)
    components = _components(blocks)
    if not components:
        return b""
    # Nothing that a trace wrote may end the element or begin another.
    held = orjson.dumps(painted).replace(b"<", b"\\u003c")
    return (
        b'<script type="application/json" id="waypost-first-data">' + held + b"</script><script>"
        + _code(components[-1]) + b"</script>"
    )  # fmt: skip


@cache
def _code(component: str) -> bytes:
    """The component's script and the painter's, as one that is no module: it runs at once."""
    painter = (files("ui") / "first.js").read_text(encoding="utf-8")
    text = _EXPORT.sub("", script(component))
    return f"(() => {{\n{text}\n{{\n{painter}\n}}\n}})()".encode()
