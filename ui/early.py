"""Names with each page the parts of Streamlit's script that it will need, so that all come at once.

Streamlit asks for a part when the first element of its kind arrives, and for that part's own parts
after it: a chain of requests, each of which the reader would wait for.
"""

import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Final

from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from streamlit.file_util import get_static_dir

PARTS: Final = (
    "BidiComponent", "Button", "ButtonGroup", "DownloadButton", "Html", "Multiselect", "Selectbox",
    "TextInput",
)  # fmt: skip
_IMPORT: Final = re.compile(r"""(?:from|import)["'`]\./([\w.-]+\.js)["'`]""")


class Early:
    """Wraps the app: every page carries a Link header for the parts it will ask for."""

    def __init__(self, app: ASGIApp, *, folder: Path | None = None) -> None:
        self._app = app
        found = late_parts(folder or Path(get_static_dir()))
        self._link = ", ".join(f"<./static/js/{name}>; rel=modulepreload" for name in found)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def sent(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                if headers.get("content-type", "").startswith("text/html") and self._link:
                    headers["link"] = self._link
            await send(message)

        is_ours = (
            scope["type"] == "http" and scope["path"] != "/login"
        )  # there nobody may read them
        await self._app(scope, receive, sent if is_ours else send)


def late_parts(folder: Path) -> list[str]:
    """The files of PARTS and all they import that the page itself does not name already."""
    page, scripts = folder / "index.html", folder / "static" / "js"
    if not page.is_file():
        return []
    text = page.read_text(encoding="utf-8")
    found: dict[str, None] = {}
    for name in _with_imports(scripts, _files(scripts)):
        if name not in text:
            found[name] = None
    return list(found)


def _files(scripts: Path) -> Iterator[str]:
    for part in PARTS:
        yield from (path.name for path in sorted(scripts.glob(f"{part}.*.js")))


def _with_imports(scripts: Path, names: Iterable[str]) -> Iterator[str]:
    left, seen = list(names), set[str]()
    while left:
        name = left.pop(0)
        if name in seen or not (scripts / name).is_file():
            continue
        seen.add(name)
        yield name
        left += _IMPORT.findall((scripts / name).read_text(encoding="utf-8"))
