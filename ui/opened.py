"""The store of this installation as pages hold it: opened once, with what is kept of it."""

import threading
import time
from collections import OrderedDict
from dataclasses import dataclass

import streamlit as st

from ui.runs import Runs
from waypost.errors import StoreAway
from waypost.settings import Settings
from waypost.store import sessions
from waypost.store.engine import Engine, connect, plainly

_LAST = 256


@dataclass(frozen=True, slots=True)
class Store:
    """The database and what is held open of it."""

    engine: Engine
    runs: Runs
    secret: bytes
    last: "Last"


class Last:
    """The newest answer to each question, for when Postgres is away."""

    def __init__(self, most: int = _LAST) -> None:
        self._most = most
        self._lock = threading.Lock()
        self._kept: OrderedDict[str, tuple[float, object]] = OrderedDict()

    def put(self, key: str, value: object) -> None:
        with self._lock:
            self._kept[key] = (time.time(), value)
            self._kept.move_to_end(key)
            if len(self._kept) > self._most:
                self._kept.popitem(last=False)

    def get(self, key: str) -> tuple[float, object] | None:
        with self._lock:
            return self._kept.get(key)


def settings() -> Settings:
    return Settings.read()


@st.cache_resource(show_spinner=False, max_entries=4, on_release=lambda s: s.engine.dispose())
def _opened(url: str) -> Store:
    engine = connect(url, application="waypost ui")
    with plainly(), engine.begin() as connection:
        secret = sessions.secret(connection)
    return Store(engine, Runs(engine), secret, Last())


def store() -> Store:
    """The store of this installation."""
    url = settings().database_url
    if url is None:
        raise StoreAway("The dashboard has no database; start it with `waypost ui`.")
    return _opened(url)
