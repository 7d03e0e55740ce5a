"""What a page has at once: its answer, its server, and the names of what it will need.

The answer is painted before Streamlit's scripts, which a browser works on for long, are let in.
Streamlit's script asks for the server at every address above the page's, then for the settings of
a host, and only then connects; and it asks for a part of itself when the first element of its kind
arrives, and for that part's own parts after it. The reader would wait for each.
"""

import asyncio
import logging
import re
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from http import HTTPStatus
from importlib.resources import files
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
}
</script>"""
# For the next page: an answer says times as its reader's clock does.
_ZONE: Final = b"""<script>document.cookie = "waypost_zone=" +
  encodeURIComponent(Intl.DateTimeFormat().resolvedOptions().timeZone) +
  "; path=/; max-age=31536000; samesite=lax"</script>"""
# What another window says, before the page has drawn it.
_AHEAD: Final = b"<script>{\n%b}</script>" % (files("ui") / "ahead.js").read_bytes()
_TITLE: Final = re.compile(rb"<title>[^<]*</title>")
_BODY: Final = b"<body>"
_HEAVY: Final = re.compile(
    rb'<link rel="(?:stylesheet|modulepreload)"[^>]*>|<script type="module"[^>]*></script>'
)
_FONT: Final = re.compile(rb'href="([^"]+/SourceSans[^"]+)"')
# Held back until the answer is painted; a page in the background is never painted.
_LATER: Final = b"""<template id="waypost-heavy">%b</template><script>{
  const go = () => {
    const held = document.getElementById("waypost-heavy");
    if (held) { document.head.append(held.content); held.remove(); }
  };
  const painted = () => Promise.resolve(window.waypostFirst?.ready).then(go);
  requestAnimationFrame(() => setTimeout(painted));
  setTimeout(go, 500);
}</script>"""
# What the answer asks of Postgres the page would ask again: it finds it kept a moment later.
_LONGEST: Final = 1.0
_AT_ONCE: Final = 4
log = logging.getLogger("waypost.ui")
_CONDITIONS: Final = (b"accept-encoding", b"if-none-match", b"if-modified-since", b"range")


class Early:
    """Wraps the app: every page holds its answer, if `first` has one, and says where its server is
    and which parts it will ask for. A browser keeps none of it."""

    def __init__(
        self,
        app: ASGIApp,
        *,
        first: Callable[[Scope], bytes] | None = None,
        folder: Path | None = None,
    ) -> None:
        self._app = app
        self._first = first
        # Apart from the threads that hand out steps: a slow answer must not keep those waiting.
        self._pool = ThreadPoolExecutor(_AT_ONCE, thread_name_prefix="early")
        found = late_parts(folder or Path(get_static_dir()))
        links = "".join(f'<link rel="modulepreload" href="./static/js/{name}">' for name in found)
        self._links = links.encode()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        # At the login nobody may read the parts yet.
        is_ours = scope["type"] == "http" and scope["path"] != "/login"
        if is_ours and "text/html" in Headers(scope=scope).get("accept", ""):
            whole = [h for h in scope["headers"] if h[0] not in _CONDITIONS]
            await self._app({**scope, "headers": whole}, receive, self._sender(scope, send))
        else:
            await self._app(scope, receive, send)

    def _sender(self, scope: Scope, send: Send) -> Send:
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
                    await self._send_page(scope, send, start, body)

        return sent

    async def _send_page(self, scope: Scope, send: Send, start: Message, body: bytes) -> None:
        """The head, then the answer as soon as it is there, then what takes long."""
        headers = MutableHeaders(scope=start)
        for name in ("content-length", "etag", "last-modified"):
            del headers[name]
        headers["cache-control"] = "no-store"
        await send(start)
        page = _TITLE.sub(b"<title>Waypost</title>", body, count=1)
        page = page.replace(b"<head>", b"<head>" + _KNOWN, 1)
        page = page.replace(b"</head>", self._links + b"</head>", 1)
        head, mark, rest = page.partition(_BODY)
        if mark and self._first is not None:
            # A browser paints nothing before these are there, and works on them for long.
            heavy = b"".join(_HEAVY.findall(head))
            head = _HEAVY.sub(b"", head) + mark + _ZONE + _AHEAD + _style(head)
            await send({"type": "http.response.body", "body": head, "more_body": True})
            first = await self._in_time(self._first, scope)
            head, mark = first, _LATER % heavy if first else heavy
        await send({"type": "http.response.body", "body": head + mark + rest})

    async def _in_time(self, first: Callable[[Scope], bytes], scope: Scope) -> bytes:
        made = asyncio.get_running_loop().run_in_executor(self._pool, first, scope)
        try:
            return await asyncio.wait_for(made, _LONGEST)
        except TimeoutError:
            return b""
        except Exception:  # the page draws itself, and says what is wrong where the reader sees it
            log.exception("A page was not painted early")
            return b""


def _style(head: bytes) -> bytes:
    """The size and the letters that Streamlit's own sheets will give the page."""
    font = _FONT.search(head)
    face = b"" if font is None else (
        b'@font-face { font-family: "Source Sans"; font-weight: 100 900; src: url('
        + font[1] + b") }"
    )  # fmt: skip
    return b"<style>html { font-size: 15px }" + face + b"</style>"


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
