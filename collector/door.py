"""Who may send, and into which project: the key decides, never what a span says."""

import base64
import binascii
import datetime as dt
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from collector.metrics import Metrics
from waypost.errors import NotAllowed, NotFound, StoreAway
from waypost.store import keys, projects, sessions
from waypost.store.engine import Engine, plainly
from waypost.store.keys import Key
from waypost.store.projects import Project

_FRESH: Final = 3.0
_MOST: Final = 10_000
_KEEP_DAYS: Final = 30
_WRONG_A_MINUTE: Final = 60


class NoKey(NotAllowed):
    """This collector wants an API key; send it as `Authorization: Bearer …` or `x-api-key`."""


class WrongKey(NotAllowed):
    """The API key is not valid for sending; `waypost key create` makes one that is."""


class TooManyWrongKeys(NotAllowed):
    """Too many wrong API keys came from this address; wait a minute."""


@dataclass(slots=True)
class _Entry:
    """What is known of one secret, and since when."""

    key: Key | None
    at: float


class Door:
    """Looks keys and projects up and remembers them for seconds, wrong ones too.

    While Postgres is away what was known stays good, so that the spool can take over.
    """

    def __init__(self, engine: Engine, metrics: Metrics, *, needs_key: bool) -> None:
        self._engine = engine
        self._metrics = metrics
        self.needs_key = needs_key
        self._keys: dict[bytes, _Entry] = {}
        self._projects: dict[int, tuple[Project, float]] = {}
        self._default: int | None = None
        self._wrong: dict[str, tuple[float, int]] = {}
        self._secret: bytes | None = None
        self._used: set[int] = set()
        self._lock = threading.Lock()

    def known(self, secret: str | None) -> Project | None:
        """The project of a sender seen moments ago, without asking Postgres."""
        now = time.monotonic()
        if secret is None:
            if self.needs_key or self._default is None:
                return None
            return self._fresh_project(self._default, now)
        entry = self._keys.get(keys.hashed(secret))
        if entry is None or entry.key is None or now - entry.at > _FRESH:
            return None
        if not entry.key.holds("write", dt.datetime.now(dt.UTC)):
            return None
        self._used.add(entry.key.id)
        return self._fresh_project(entry.key.project_id, now)

    def _fresh_project(self, project_id: int, now: float) -> Project | None:
        found = self._projects.get(project_id)
        return found[0] if found is not None and now - found[1] <= _FRESH else None

    def admit(self, secret: str | None, address: str) -> Project:
        """The sender's project; NotAllowed without a good key, StoreAway when nobody can tell."""
        with self._lock:
            if secret is None:
                if self.needs_key:
                    raise NoKey
                return self._default_project()
            return self._project(self._good(secret, address, "write").project_id)

    def key(self, secret: str, address: str) -> Key:
        """The key behind a secret, whatever it is good for; NotAllowed when it is for nothing."""
        with self._lock:
            return self._good(secret, address, *keys.SCOPES)

    def _good(self, secret: str, address: str, *scopes: str) -> Key:
        before = self._keys.get(keys.hashed(secret))
        if before is None or before.key is None:  # a key that was good is no guess
            self._check_address(address)
        key, now = self._key(secret), dt.datetime.now(dt.UTC)
        if key is None or not any(key.holds(scope, now) for scope in scopes):
            self._note_wrong(address)
            raise WrongKey
        self._used.add(key.id)
        return key

    def _key(self, secret: str) -> Key | None:
        name = keys.hashed(secret)
        entry = self._keys.get(name)
        now = time.monotonic()
        if entry is not None and now - entry.at <= _FRESH:
            return entry.key
        try:
            with plainly(), self._engine.connect() as connection:
                found = keys.find(connection, secret)
        except StoreAway:
            if entry is None:
                raise
            return entry.key
        if len(self._keys) >= _MOST:
            self._keys.clear()
        self._keys[name] = _Entry(found, now)
        return found

    def _project(self, project_id: int) -> Project:
        known = self._projects.get(project_id)
        now = time.monotonic()
        if known is not None and now - known[1] <= _FRESH:
            return known[0]
        try:
            with plainly(), self._engine.connect() as connection:
                found = projects.get(connection, project_id)
        except StoreAway:
            if known is None:
                raise
            return known[0]
        except NotFound as error:
            raise WrongKey from error
        self._projects[project_id] = (found, now)
        return found

    def _default_project(self) -> Project:
        if self._default is None:
            with plainly(), self._engine.connect() as connection:
                found = projects.named(connection, projects.DEFAULT)
            self._default = found.id
            self._projects[found.id] = (found, time.monotonic())
        return self._project(self._default)

    def _check_address(self, address: str) -> None:
        since, count = self._wrong.get(address, (0.0, 0))
        if count >= _WRONG_A_MINUTE and time.monotonic() - since < 60:
            raise TooManyWrongKeys

    def _note_wrong(self, address: str) -> None:
        now = time.monotonic()
        since, count = self._wrong.get(address, (now, 0))
        if now - since >= 60:
            since, count = now, 0
        if len(self._wrong) >= _MOST:
            self._wrong.clear()
        self._wrong[address] = (since, count + 1)

    def keep_days(self, project_id: int) -> int:
        """For how many days the project keeps what it receives."""
        known = self._projects.get(project_id)
        return known[0].keep_days if known is not None else _KEEP_DAYS

    def id_key(self, project_id: int) -> bytes:
        """The key that personal ids of a project are hashed with."""
        if self._secret is None:
            with plainly(), self._engine.begin() as connection:
                self._secret = sessions.secret(connection)
        return sessions.id_key(self._secret, project_id)

    def note_use(self) -> None:
        """Write down which keys were used since this was last called."""
        with self._lock:
            used, self._used = self._used, set()
        if used:
            with plainly(), self._engine.begin() as connection:
                keys.touch(connection, sorted(used))


def secret_in(headers: Mapping[str, str]) -> str | None:
    """The key in a request's headers: Bearer, x-api-key, or the password or user of Basic."""
    given = headers.get("x-api-key", "").strip()
    if given:
        return given
    kind, _, value = headers.get("authorization", "").strip().partition(" ")
    value = value.strip()
    if kind.lower() == "bearer" and value:
        return value
    if kind.lower() == "basic" and value:
        return _basic(value)
    return value or kind or None if kind else None


def _basic(value: str) -> str:
    """Langfuse's clients send a public and a secret key; ours stands in either place."""
    try:
        user, _, password = base64.b64decode(value, validate=True).decode().partition(":")
    except (binascii.Error, UnicodeDecodeError):
        return value
    return password if password.startswith(keys.PREFIX) or not user else (
        user if user.startswith(keys.PREFIX) else password
    )  # fmt: skip
