"""What the reader asks for, and where they are: of a running page, or of a request before one runs.

A page that runs has its address and its reader's time zone from Streamlit. What is painted before
Streamlit is there has both from the request, and the same functions read them.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass

import streamlit as st


@dataclass(frozen=True, slots=True)
class Asked:
    """The query of a request and the name of its reader's time zone."""

    query: Mapping[str, str]
    zone: str


_ASKED: ContextVar[Asked | None] = ContextVar("asked", default=None)


@contextmanager
def asked_by(request: Asked) -> Iterator[None]:
    """Within, the request is what is asked."""
    token = _ASKED.set(request)
    try:
        yield
    finally:
        _ASKED.reset(token)


def is_before() -> bool:
    """Whether no page runs yet."""
    return _ASKED.get() is not None


def query() -> Mapping[str, str]:
    """The parameters of the address, without NUL, which no text in Postgres can hold."""
    request = _ASKED.get()
    given = st.query_params.to_dict() if request is None else request.query
    return {name.replace("\0", ""): value.replace("\0", "") for name, value in given.items()}


def zone() -> str | None:
    """The name of the reader's time zone, as the browser says."""
    request = _ASKED.get()
    return st.context.timezone if request is None else request.zone
