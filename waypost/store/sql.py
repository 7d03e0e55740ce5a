"""Long statements, kept as files beside this module, and COPY into temporary tables."""

from collections.abc import Iterable
from functools import cache
from importlib.resources import files
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

_STEP = (
    "uuid trace_id, int8 span_id, timestamptz started_at, int8 parent_id, int2 started_ns, "
    "int8 duration_ns, int2 kind, int2 status, bool marker, text name, text tool, text model, "
    "text prompt_version, int4 tokens_in, int4 tokens_out, float8 cost_usd, int8 base_id, "
    "int4 keep, bytea add, bytea sum, bytea output, int2 enc, bytea detail, date day, "
    "uuid trajectory_id, timestamptz ended_at, bool root, bool is_step, bool is_error, "
    "text root_name, text agent, text session_id, text user_id, text service, text environment, "
    "int8 tokens_cached, bool tokens_partial, bool cost_partial, bool is_model"
)
_MESSAGE = "uuid trace_id, date day, bytea hash, int2 enc, bytea body"
_CONTENT = (
    "uuid trace_id, int8 span_id, timestamptz at, text direction, bytea hash, int2 enc, "
    "bytea body, date day"
)
_FEEDBACK = (
    "bytea key, timestamptz at, uuid trace_id, int8 span_id, text session_id, text response_id, "
    "text name, text detail, date day"
)
_SCORE = (
    "uuid trace_id, int8 span_id, int4 evaluator_id, timestamptz started_at, int4 cohort_id, "
    "int2 outcome, float4 value, text label, text explanation, text evidence, text scored_by, "
    "float8 cost_usd"
)
_TABLES = {
    "score_in": _SCORE,
    "step_in": _STEP,
    "message_in": _MESSAGE,
    "content_in": _CONTENT,
    "feedback_in": _FEEDBACK,
}
_COHORTS = """select id from cohort
  where project_id = :project_id and attrs @> cast(:has as jsonb)
    and not jsonb_exists_any(attrs, cast(:lacks as text[]))
    and coalesce(attrs ->> 'environment', '') <> all(cast(:left_out as text[]))"""
# Binary COPY checks lengths, not types: a uuid is its sixteen bytes, times and days are integers.
_WIRE = {"uuid": "bytea", "timestamptz": "int8", "date": "int4"}


@cache
def statement(*names: str) -> sa.TextClause:
    """The statement in `statements/<name>.sql`; of several names, their files end to end."""
    folder = files("waypost.store") / "statements"
    return sa.text("".join((folder / f"{n}.sql").read_text(encoding="utf-8") for n in names))


def chosen(text: str) -> sa.TextClause:
    """A statement in which `{cohorts}` gives the cohorts asked for, and `{chosen}` is whether a
    row's cohort is one of them."""
    whether = "(:everyone or cohort_id in ({cohorts}))"
    return sa.text(text.replace("{chosen}", whether).replace("{cohorts}", _COHORTS))


def copy_in(connection: Connection, table: str, rows: Iterable[tuple[Any, ...]]) -> None:
    """Fill a temporary table by binary COPY; what an earlier call left in it is gone."""
    pairs = _pairs(table)
    made = connection.info.setdefault("waypost_temporary", set())
    if table not in made:
        columns = ", ".join(f"{name} {kind}" for kind, name in pairs)
        # Table and columns are the constants above.
        connection.exec_driver_sql(
            f"create temp table if not exists {table} ({columns}) on commit delete rows"
        )
        made.add(table)
    filled = _filled(connection)
    if table in filled:
        # It empties itself at commit, but one transaction may fill it for several projects.
        connection.execute(sa.delete(sa.table(table)))
    filled.add(table)
    raw = connection.connection.driver_connection
    assert raw is not None
    with raw.cursor() as cursor, cursor.copy(f"copy {table} from stdin (format binary)") as copy:
        copy.set_types([_WIRE.get(kind, kind) for kind, _ in pairs])
        write = copy.write_row
        for row in rows:
            write(row)


def _filled(connection: Connection) -> set[str]:
    """The temporary tables that the transaction in hand has filled."""
    transaction = connection.get_transaction()
    known = connection.info.get("waypost_filled")
    if known is None or known[0] is not transaction:
        known = connection.info["waypost_filled"] = (transaction, set())
    filled: set[str] = known[1]
    return filled


@cache
def _pairs(table: str) -> tuple[tuple[str, str], ...]:
    words = (pair.split() for pair in _TABLES[table].split(", "))
    return tuple((kind, name) for kind, name in words)
