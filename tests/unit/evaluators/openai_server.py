"""A local server that speaks the OpenAI chat protocol, with scripted answers."""

import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

GOOD: dict[str, Any] = {
    "verdict": "pass",
    "score": 0.9,
    "label": "",
    "explanation": "fine",
    "quote": "",
    "step": 0,
    "rules": [],
    "revision": "",
}
Script = Callable[[dict[str, Any]], "Reply"]


@dataclass(slots=True)
class Reply:
    """What the server does with one request."""

    content: str | None = None
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    refusal: str | None = None
    delay: float = 0.0
    cached: int = 0


def verdict(**changes: Any) -> Reply:
    return Reply(json.dumps(GOOD | changes))


@dataclass(slots=True)
class Judge:
    """The running server: its address and the requests it saw."""

    url: str
    seen: list[dict[str, Any]] = field(default_factory=list)


@contextmanager
def serving(script: Script | list[Reply]) -> Iterator[Judge]:
    """Answer by a function of the request, or reply by reply, the last one again and again."""
    left = list(script) if isinstance(script, list) else None
    judge = Judge("")

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        wbufsize = -1  # head and body leave together: apart they wait 40 ms for one another

        def do_POST(self) -> None:
            length = int(self.headers["Content-Length"])
            body = json.loads(self.rfile.read(length))
            judge.seen.append(body)
            if left is None:
                assert callable(script)
                reply = script(body)
            else:
                reply = left.pop(0) if len(left) > 1 else left[0]
            time.sleep(reply.delay)
            _send(self, body, reply)

        def log_message(self, *_: object) -> None:
            return

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    judge.url = f"http://127.0.0.1:{server.server_address[1]}/v1"
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield judge
    finally:
        server.shutdown()
        server.server_close()


USAGE = {"prompt_tokens": 1000, "completion_tokens": 100, "total_tokens": 1100}


def _send(handler: BaseHTTPRequestHandler, body: dict[str, Any], reply: Reply) -> None:
    if reply.status != 200:
        data = json.dumps({"error": {"message": "no", "type": "x", "code": None}}).encode()
    elif body.get("stream"):
        data = _stream(body, reply)
    else:
        data = json.dumps(_whole(body, reply)).encode()
    kind = "text/event-stream" if body.get("stream") and reply.status == 200 else "application/json"
    try:
        handler.send_response(reply.status)
        for name, value in {"Content-Type": kind, **reply.headers}.items():
            handler.send_header(name, value)
        handler.send_header("Content-Length", str(len(data)))
        handler.end_headers()
        handler.wfile.write(data)
    except (BrokenPipeError, ConnectionResetError):
        handler.close_connection = True


def _whole(body: dict[str, Any], reply: Reply) -> dict[str, Any]:
    message = {"role": "assistant", "content": reply.content, "refusal": reply.refusal}
    return {
        "id": "c1",
        "object": "chat.completion",
        "created": 1,
        "model": body["model"],
        "choices": [{"index": 0, "finish_reason": "stop", "message": message}],
        "usage": USAGE | {"prompt_tokens_details": {"cached_tokens": reply.cached}},
    }


def _stream(body: dict[str, Any], reply: Reply) -> bytes:
    text = reply.content or ""
    pieces = [text[n : n + 20] for n in range(0, len(text), 20)]
    chunk = {"id": "c1", "object": "chat.completion.chunk", "created": 1, "model": body["model"]}
    events = [
        {**chunk, "choices": [{"index": 0, "delta": {"role": "assistant", "content": p}}]}
        for p in pieces
    ]
    events.append({**chunk, "choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]})
    if (body.get("stream_options") or {}).get("include_usage"):
        events.append({**chunk, "choices": [], "usage": USAGE})
    lines = [f"data: {json.dumps(e)}\n\n" for e in events]
    return "".join([*lines, "data: [DONE]\n\n"]).encode()
