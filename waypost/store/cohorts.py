"""Cohorts: the values of the declared keys, each combination once, by a small number."""

import datetime as dt
from collections.abc import Iterable, Mapping

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from waypost.canon import canonical, digest
from waypost.store import cohort_values

_VALUE = 256
CohortKey = bytes


def key_of(values: Mapping[str, str]) -> CohortKey:
    """What names a cohort: the hash of its sorted values."""
    return digest(canonical(dict(trimmed(values))))


def trimmed(values: Mapping[str, str]) -> dict[str, str]:
    """The values that count: none empty, none longer than 256 characters."""
    return {k: v[:_VALUE] for k, v in values.items() if v}


def ids(
    connection: Connection,
    project_id: int,
    wanted: Iterable[Mapping[str, str]],
    *,
    day: dt.date | None = None,
) -> dict[CohortKey, int]:
    """The ids of these cohorts by `key_of`, made where they are new.

    A key that brings more than 1,000 values a day gives `other` for the rest of them.
    """
    asked = {key_of(values): trimmed(values) for values in wanted}
    today = day or dt.datetime.now(dt.UTC).date()
    admitted = cohort_values.admit(connection, project_id, list(asked.values()), day=today)
    counted = {key: key_of(values) for key, values in zip(asked, admitted, strict=True)}
    found = _ids(connection, project_id, admitted)
    return {key: found[counted_as] for key, counted_as in counted.items()}


def _ids(
    connection: Connection, project_id: int, wanted: Iterable[Mapping[str, str]]
) -> dict[CohortKey, int]:
    by_key = {key_of(values): canonical(dict(values)).decode() for values in wanted}
    keys = sorted(by_key)
    connection.execute(
        sa.text("""
            insert into cohort (project_id, attrs, key)
            select :project_id, attrs::jsonb, key
            from unnest(cast(:attrs as text[]), cast(:keys as bytea[])) as t (attrs, key)
            where not exists (
              select from cohort c where c.project_id = :project_id and c.key = t.key)
            order by key
            on conflict (project_id, key) do nothing"""),
        {"project_id": project_id, "attrs": [by_key[k] for k in keys], "keys": keys},
    )
    found = connection.execute(
        sa.text("select id, key from cohort where project_id = :project_id and key = any(:keys)"),
        {"project_id": project_id, "keys": keys},
    )
    return {bytes(row.key): row.id for row in found}


def named(
    connection: Connection, project_id: int, cohort_ids: Iterable[int]
) -> dict[int, dict[str, str]]:
    """The values of these cohorts by id."""
    found = connection.execute(
        sa.text("""
            select id, attrs from cohort where project_id = :project_id and id = any(:ids)"""),
        {"project_id": project_id, "ids": sorted(set(cohort_ids))},
    )
    return {row.id: dict(row.attrs) for row in found}


def is_carried(connection: Connection, project_id: int, key: str) -> bool:
    """Whether any cohort of the project has a value for this key."""
    found = connection.execute(
        sa.text("""
            select exists (
              select from cohort where project_id = :project_id and jsonb_exists(attrs, :key))"""),
        {"project_id": project_id, "key": key},
    )
    return bool(found.scalar_one())
