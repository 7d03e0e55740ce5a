"""The secret of an installation, which signs sessions of the dashboard and hashes personal ids."""

import secrets
from hashlib import blake2b

import sqlalchemy as sa
from sqlalchemy.engine import Connection


def secret(connection: Connection) -> bytes:
    """The installation's secret, made the first time it is asked for."""
    found = _read(connection)
    if found is not None:
        return found
    connection.execute(
        sa.text("insert into ui_secret (secret) values (:secret) on conflict (one) do nothing"),
        {"secret": secrets.token_bytes(32)},
    )
    made = _read(connection)
    assert made is not None
    return made


def _read(connection: Connection) -> bytes | None:
    found = connection.execute(sa.text("select secret from ui_secret")).scalar()
    return None if found is None else bytes(found)


def id_key(secret: bytes, project_id: int) -> bytes:
    """The key that personal ids of a project are hashed with, from the installation's secret."""
    return blake2b(str(project_id).encode(), key=secret[:64], digest_size=32).digest()
