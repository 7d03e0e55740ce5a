"""Signed, short-lived texts: what a browser may hold without being able to change it."""

import hmac
import time
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Mapping
from hashlib import sha256

import orjson

from waypost.records import Json


def sign(
    secret: bytes,
    purpose: str,
    claims: Mapping[str, Json],
    *,
    seconds: int,
    now: float | None = None,
) -> str:
    """The claims with their end, readable by anybody and changeable by nobody."""
    ends = int((time.time() if now is None else now) + seconds)
    body = orjson.dumps({**claims, "ends": ends}, option=orjson.OPT_SORT_KEYS)
    return f"{_text(body)}.{_text(_mark(secret, purpose, body))}"


def read(
    secret: bytes, purpose: str, token: str, *, now: float | None = None
) -> dict[str, Json] | None:
    """The claims of a token made with this secret for this purpose and not ended; else None."""
    body_text, _, mark_text = token.partition(".")
    try:
        body, mark = _bytes(body_text), _bytes(mark_text)
    except ValueError:
        return None
    if not hmac.compare_digest(mark, _mark(secret, purpose, body)):
        return None
    claims = orjson.loads(body)
    ends = claims.get("ends", 0)
    return claims if (time.time() if now is None else now) < ends else None


def _mark(secret: bytes, purpose: str, body: bytes) -> bytes:
    return hmac.digest(secret, purpose.encode() + b"\0" + body, sha256)


def _text(value: bytes) -> str:
    return urlsafe_b64encode(value).rstrip(b"=").decode()


def _bytes(text: str) -> bytes:
    return urlsafe_b64decode(text.encode("ascii") + b"=" * (-len(text) % 4))
