"""The store of this installation as pages hold it: opened once, with what is kept of it."""

from dataclasses import dataclass

import streamlit as st

from ui.kept import Kept
from ui.runs import Runs
from waypost.errors import StoreAway
from waypost.settings import Settings
from waypost.store import sessions
from waypost.store.engine import Engine, connect, plainly


@dataclass(frozen=True, slots=True)
class Store:
    """The database and what is held open of it."""

    engine: Engine
    runs: Runs
    secret: bytes
    kept: Kept


def settings() -> Settings:
    return Settings.read()


@st.cache_resource(show_spinner=False, max_entries=4, on_release=lambda s: s.engine.dispose())
def _opened(url: str) -> Store:
    engine = connect(url, application="waypost ui")
    with plainly(), engine.begin() as connection:
        secret = sessions.secret(connection)
    return Store(engine, Runs(engine), secret, Kept())


def store() -> Store:
    """The store of this installation."""
    url = settings().database_url
    if url is None:
        raise StoreAway("The dashboard has no database; start it with `waypost ui`.")
    return _opened(url)
