"""What the tables share: the metadata and short ways to write a column."""

from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import TIMESTAMP

metadata = sa.MetaData()

at = TIMESTAMP(timezone=True)
now = sa.text("now()")
zero = sa.text("0")
off = sa.text("false")


def col(name: str, kind: Any, default: sa.TextClause | None = None) -> sa.Column[Any]:
    return sa.Column(name, kind, nullable=False, server_default=default)


def opt(name: str, kind: Any) -> sa.Column[Any]:
    return sa.Column(name, kind, nullable=True)


def id_(kind: Any = sa.Integer) -> sa.Column[Any]:
    return sa.Column("id", kind, sa.Identity(always=True), nullable=False)


def key(name: str, *columns: str) -> sa.PrimaryKeyConstraint:
    return sa.PrimaryKeyConstraint(*columns, name=f"{name}_pkey")
