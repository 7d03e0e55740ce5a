"""Runs: their steps, messages and contents, and the counters over them."""

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import BYTEA, DOUBLE_PRECISION, JSONB, UUID

from waypost.store.tables.columns import at, col, id_, key, metadata, now, off, opt, zero

trajectory = sa.Table(
    "trajectory",
    metadata,
    col("project_id", sa.Integer),
    col("trace_id", UUID),
    col("day", sa.Date),
    col("trajectory_id", UUID),
    col("first_at", at),
    col("last_at", at),
    col("status", sa.SmallInteger, zero),
    col("root_ended", sa.Boolean, off),
    opt("settled_at", at),
    *(
        opt(name, sa.Text)
        for name in (
            "name", "agent", "session_id", "user_id", "service", "environment", "model",
            "prompt_version",
        )
    ),
    opt("cohort_id", sa.Integer),
    col("steps", sa.Integer, zero),
    col("errors", sa.Integer, zero),
    col("fails", sa.Integer, zero),
    opt("first_bad_step", sa.Integer),
    opt("worst_score", sa.REAL),
    col("tokens_in", sa.BigInteger, zero),
    col("tokens_out", sa.BigInteger, zero),
    col("tokens_cached", sa.BigInteger, zero),
    col("tokens_partial", sa.Boolean, off),
    col("cost_usd", DOUBLE_PRECISION, zero),
    col("cost_partial", sa.Boolean, off),
    opt("shape", sa.Text),
    opt("measures", JSONB),
    opt("counted", JSONB),
    key("trajectory", "project_id", "trace_id", "day"),
    sa.Index("trajectory_first_at_idx", "project_id", sa.text("first_at desc"), "trace_id"),
    sa.Index(
        "trajectory_failing_idx", "project_id", "cohort_id", sa.text("first_at desc"),
        postgresql_where=sa.text("fails > 0"),
    ),
    sa.Index("trajectory_trajectory_id_idx", "project_id", "trajectory_id"),
    sa.Index(
        "trajectory_session_id_idx", "project_id", "session_id",
        postgresql_where=sa.text("session_id is not null"),
    ),
    sa.Index(
        "trajectory_user_id_idx", "project_id", "user_id",
        postgresql_where=sa.text("user_id is not null"),
    ),
    postgresql_partition_by="RANGE (day)",
)  # fmt: skip

step = sa.Table(
    "step",
    metadata,
    col("project_id", sa.Integer),
    col("trace_id", UUID),
    col("span_id", sa.BigInteger),
    col("started_at", at),
    opt("parent_id", sa.BigInteger),
    col("started_ns", sa.SmallInteger),
    col("duration_ns", sa.BigInteger),
    col("kind", sa.SmallInteger),
    col("status", sa.SmallInteger),
    col("marker", sa.Boolean),
    col("marked", sa.Boolean, off),
    col("name", sa.Text),
    opt("tool", sa.Text),
    opt("model", sa.Text),
    opt("prompt_version", sa.Text),
    opt("tokens_in", sa.Integer),
    opt("tokens_out", sa.Integer),
    opt("cost_usd", DOUBLE_PRECISION),
    opt("base_id", sa.BigInteger),
    opt("keep", sa.Integer),
    opt("add", BYTEA),
    opt("sum", BYTEA),
    opt("output", BYTEA),
    col("enc", sa.SmallInteger),
    col("detail", BYTEA),
    key("step", "project_id", "trace_id", "span_id", "started_at"),
    postgresql_partition_by="RANGE (started_at)",
)

message = sa.Table(
    "message",
    metadata,
    col("project_id", sa.Integer),
    col("trace_id", UUID),
    col("day", sa.Date),
    col("hash", BYTEA),
    col("enc", sa.SmallInteger),
    col("body", BYTEA),
    key("message", "project_id", "trace_id", "hash", "day"),
    postgresql_partition_by="RANGE (day)",
)

content = sa.Table(
    "content",
    metadata,
    col("project_id", sa.Integer),
    col("trace_id", UUID),
    col("span_id", sa.BigInteger),
    col("at", at),
    col("direction", sa.Text),
    col("hash", BYTEA),
    col("enc", sa.SmallInteger),
    col("body", BYTEA),
    key("content", "project_id", "trace_id", "span_id", "hash", "at"),
    postgresql_partition_by="RANGE (at)",
)

feedback = sa.Table(
    "feedback",
    metadata,
    col("project_id", sa.Integer),
    col("key", BYTEA),
    col("at", at),
    opt("trace_id", UUID),
    opt("span_id", sa.BigInteger),
    opt("session_id", sa.Text),
    opt("response_id", sa.Text),
    col("name", sa.Text),
    col("attached", sa.Boolean, off),
    col("detail", JSONB),
    key("feedback", "project_id", "key", "at"),
    sa.Index("feedback_trace_id_idx", "project_id", "trace_id"),
    sa.Index(
        "feedback_session_id_idx", "project_id", "session_id",
        postgresql_where=sa.text("session_id is not null"),
    ),
    postgresql_partition_by="RANGE (at)",
)  # fmt: skip

changed = sa.Table(
    "changed",
    metadata,
    id_(sa.BigInteger),
    col("project_id", sa.Integer),
    col("trace_id", UUID),
    col("at", at, now),
    key("changed", "id"),
)


def _run_counters(name: str) -> sa.Table:
    return sa.Table(
        name,
        metadata,
        col("project_id", sa.Integer),
        col("bucket", at),
        col("cohort_id", sa.Integer),
        col("measure", sa.SmallInteger),
        col("n", sa.BigInteger),
        col("total", DOUBLE_PRECISION),
        key(name, "project_id", "bucket", "cohort_id", "measure"),
    )


run_hour = _run_counters("run_hour")

run_day = _run_counters("run_day")

first_seen = sa.Table(
    "first_seen",
    metadata,
    col("project_id", sa.Integer),
    col("kind", sa.Text),
    col("name", sa.Text),
    col("version", sa.Text),
    col("at", at),
    key("first_seen", "project_id", "kind", "name", "version"),
    sa.Index("first_seen_at_idx", "project_id", "at"),
)

cohort_value = sa.Table(
    "cohort_value",
    metadata,
    col("project_id", sa.Integer),
    col("day", sa.Date),
    col("key", sa.Text),
    col("value", sa.Text),
    key("cohort_value", "project_id", "day", "key", "value"),
)
