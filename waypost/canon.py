"""The canonical form of JSON values: what is hashed, compared and stored."""

from hashlib import blake2b
from typing import cast

import orjson

from waypost.records import Json, Message

_OPTIONS = orjson.OPT_SORT_KEYS | orjson.OPT_NON_STR_KEYS


def canonical(value: Json) -> bytes:
    """Sorted keys, no spaces, no null members of objects.

    The value must be clean: no lone surrogates, integers within 64 bits.
    """
    body = orjson.dumps(value, option=_OPTIONS)
    # A look for the word is a tenth of the price of walking every value.
    return orjson.dumps(without_nulls(value), option=_OPTIONS) if b"null" in body else body


def canonical_message(message: Message) -> bytes:
    """The canonical form of one message."""
    value = {**message.extra, "role": message.role, "parts": message.parts}
    try:
        body = orjson.dumps(value, option=_OPTIONS)
    except TypeError:  # parts that are mappings, but no dicts
        return canonical(message.as_json())
    return canonical(message.as_json()) if b"null" in body else body


def digest(body: bytes) -> bytes:
    """Sixteen bytes that name a canonical body."""
    return blake2b(body, digest_size=16).digest()


def without_nulls(value: Json) -> Json:
    """The same value without null members; nulls in lists stay, they hold a place."""
    if isinstance(value, dict):
        return {k: without_nulls(v) for k, v in value.items() if v is not None}
    if isinstance(value, list):
        return [without_nulls(v) for v in value]
    return value


def loads(body: bytes) -> Json:
    """The value of a canonical body."""
    return cast("Json", orjson.loads(body))
