"""API keys: shown once, stored as a hash, scoped, expiring, revoked at once."""

import datetime as dt
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from waypost.errors import NotFound, WrongUse
from waypost.store import audit

PREFIX = "wp_"
SCOPES = ("write", "read", "admin")
_HINT = 8


@dataclass(frozen=True, slots=True)
class Key:
    """What is known of a key; the key itself is not."""

    id: int
    project_id: int
    name: str
    hint: str
    scopes: tuple[str, ...]
    created_at: dt.datetime
    expires_at: dt.datetime | None
    revoked_at: dt.datetime | None
    last_used_at: dt.datetime | None

    def holds(self, scope: str, now: dt.datetime) -> bool:
        """Whether this key is good for `scope` now; admin is good for everything."""
        alive = self.revoked_at is None and (self.expires_at is None or now < self.expires_at)
        return alive and (scope in self.scopes or "admin" in self.scopes)


def create(
    connection: Connection,
    project_id: int,
    name: str,
    *,
    by: audit.Actor,
    scopes: Sequence[str] = ("write",),
    expires_at: dt.datetime | None = None,
) -> tuple[Key, str]:
    """A new key and its secret, which is not kept and cannot be shown again."""
    unknown = [s for s in scopes if s not in SCOPES]
    if unknown or not scopes:
        raise WrongUse(
            f"Scope {(unknown or ['(none)'])[0]!r} is unknown; use write, read or admin."
        )
    if not name.strip() or len(name) > 100:
        raise WrongUse("A key needs a name of 1 to 100 characters.")
    secret = PREFIX + secrets.token_urlsafe(32)
    row = connection.execute(
        sa.text("""
            insert into api_key (project_id, name, hash, hint, scopes, expires_at)
            values (:project_id, :name, :hash, :hint, :scopes, :expires_at)
            returning id, project_id, name, hint, scopes, created_at, expires_at, revoked_at,
              last_used_at"""),
        {
            "project_id": project_id,
            "name": name,
            "hash": hashed(secret),
            "hint": secret[:_HINT],
            "scopes": list(scopes),
            "expires_at": expires_at,
        },
    ).one()
    key = _key(row)
    shown = {"name": name, "scopes": list(scopes), "hint": key.hint}
    audit.note(connection, project_id, by, "key.create", str(key.id), after=shown)
    return key, secret


def hashed(secret: str) -> bytes:
    """What is stored of a key. 256 random bits need no salt and no slow hash."""
    return sha256(secret.encode("utf-8", "surrogateescape")).digest()


def find(connection: Connection, secret: str) -> Key | None:
    """The key with this secret, good or not; looked up by hash, so no comparison leaks time."""
    row = connection.execute(
        sa.text("""
            select id, project_id, name, hint, scopes, created_at, expires_at, revoked_at,
              last_used_at
            from api_key where hash = :hash"""),
        {"hash": hashed(secret)},
    ).one_or_none()
    return None if row is None else _key(row)


def every(connection: Connection, project_id: int) -> list[Key]:
    """All keys of a project, newest first."""
    rows = connection.execute(
        sa.text("""
            select id, project_id, name, hint, scopes, created_at, expires_at, revoked_at,
              last_used_at
            from api_key where project_id = :project_id order by id desc"""),
        {"project_id": project_id},
    )
    return [_key(row) for row in rows]


def revoke(connection: Connection, project_id: int, key_id: int, *, by: audit.Actor) -> None:
    """From now on this key is good for nothing; NotFound when the project has no such key."""
    row = connection.execute(
        sa.text("""
            update api_key set revoked_at = coalesce(revoked_at, now())
            where id = :id and project_id = :project_id returning name"""),
        {"id": key_id, "project_id": project_id},
    ).one_or_none()
    if row is None:
        raise NotFound(f"The project has no key {key_id}; `waypost key list` shows its keys.")
    audit.note(connection, project_id, by, "key.revoke", str(key_id), before={"name": row.name})


def touch(connection: Connection, key_ids: Sequence[int]) -> None:
    """Note that these keys were used just now."""
    connection.execute(
        sa.text("update api_key set last_used_at = now() where id = any(:ids)"),
        {"ids": list(key_ids)},
    )


def _key(row: sa.Row[tuple[object, ...]]) -> Key:
    values = row._mapping
    return Key(
        id=values["id"],
        project_id=values["project_id"],
        name=values["name"],
        hint=values["hint"],
        scopes=tuple(values["scopes"]),
        created_at=values["created_at"],
        expires_at=values["expires_at"],
        revoked_at=values["revoked_at"],
        last_used_at=values["last_used_at"],
    )
