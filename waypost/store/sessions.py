"""The secret that signs sessions and tokens of the dashboard, the same for all its processes."""

import secrets

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
