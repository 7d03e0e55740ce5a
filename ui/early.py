"""What a page is told at once, so that Streamlit need not ask: its server, and what it will need.

Its script asks for the server at every address above the page's, then for the settings of a host,
and only then connects; and it asks for a part of itself when the first element of its kind
arrives, and for that part's own parts after it. The reader would wait for each.
"""

import re
from collections.abc import Iterable, Iterator
from http import HTTPStatus
from pathlib import Path
from typing import Final

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from streamlit.file_util import get_static_dir

PARTS: Final = (
    "BidiComponent", "Button", "ButtonGroup", "DownloadButton", "Html", "Multiselect", "Selectbox",
    "TextInput",
)  # fmt: skip
_IMPORT: Final = re.compile(r"""(?:from|import)["'`]\./([\w.-]+\.js)["'`]""")
# With both of these set it connects straight away. Only pages of ours may be its host.
_KNOWN: Final = b"""<script>window.__streamlit = {
  BACKEND_BASE_URL: new URL(".", location.href).href,
  HOST_CONFIG: {allowedOrigins: [location.origin], useExternalAuthToken: false},
}</script>"""


class Early:
    """Wraps the app: every page says where its server is and names the parts it will ask for."""

    def __init__(self, app: ASGIApp, *, folder: Path | None = None) -> None:
        self._app = app
        found = late_parts(folder or Path(get_static_dir()))
        links = "".join(f'<link rel="modulepreload" href="./static/js/{name}">' for name in found)
        self._links = links.encode()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        # At the login nobody may read the parts yet.
        is_ours = scope["type"] == "http" and scope["path"] != "/login"
        if is_ours and "text/html" in Headers(scope=scope).get("accept", ""):
            plain = [h for h in scope["headers"] if h[0] != b"accept-encoding"]
            await self._app({**scope, "headers": plain}, receive, self._sender(send))
        else:
            await self._app(scope, receive, send)

    def _sender(self, send: Send) -> Send:
        start: Message | None = None
        body = b""

        async def sent(message: Message) -> None:
            nonlocal start, body
            if message["type"] == "http.response.start" and _is_page(message):
                start = message
            elif start is None:
                await send(message)
            else:
                body += message.get("body", b"")
                if not message.get("more_body", False):
                    page = self._page(body)
                    if body:  # none for HEAD
                        MutableHeaders(scope=start)["content-length"] = str(len(page))
                    await send(start)
                    await send({**message, "body": page})

        return sent

    def _page(self, body: bytes) -> bytes:
        page = body.replace(b"<head>", b"<head>" + _KNOWN, 1)
        return page.replace(b"</head>", self._links + b"</head>", 1)


def _is_page(message: Message) -> bool:
    headers = Headers(raw=message["headers"])
    kind = headers.get("content-type", "")
    return message["status"] == HTTPStatus.OK and kind.startswith("text/html")


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
