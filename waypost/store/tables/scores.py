"""Verdicts, their counters, and the work that is still to be judged."""

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import DOUBLE_PRECISION, JSONB, UUID

from waypost.store.tables.columns import at, col, id_, key, metadata, now, opt, zero

score = sa.Table(
    "score",
    metadata,
    col("project_id", sa.Integer),
    col("trace_id", UUID),
    col("span_id", sa.BigInteger),
    col("evaluator_id", sa.Integer),
    col("started_at", at),
    col("cohort_id", sa.Integer),
    col("outcome", sa.SmallInteger),
    opt("value", sa.REAL),
    opt("label", sa.Text),
    opt("explanation", sa.Text),
    opt("evidence", JSONB),
    opt("scored_by", sa.Text),
    opt("cost_usd", DOUBLE_PRECISION),
    col("scored_at", at, now),
    col("counts", sa.Boolean, sa.text("true")),
    key("score", "project_id", "trace_id", "span_id", "evaluator_id", "started_at"),
    sa.Index(
        "score_failed_idx", "project_id", "cohort_id", "evaluator_id",
        sa.text("started_at desc"), postgresql_where=sa.text("outcome = 0"),
    ),
    sa.Index(
        "score_said_idx", "project_id", "evaluator_id", "started_at",
        postgresql_where=sa.text("scored_by is not null"),
    ),
    postgresql_partition_by="RANGE (started_at)",
)  # fmt: skip


def _counters(name: str) -> sa.Table:
    return sa.Table(
        name,
        metadata,
        col("project_id", sa.Integer),
        col("bucket", at),
        col("cohort_id", sa.Integer),
        col("evaluator_id", sa.Integer),
        col("n", sa.BigInteger),
        col("n_fail", sa.BigInteger),
        col("n_abstain", sa.BigInteger),
        col("value_sum", DOUBLE_PRECISION),
        key(name, "project_id", "bucket", "cohort_id", "evaluator_id"),
    )


score_hour = _counters("score_hour")

score_day = _counters("score_day")

job = sa.Table(
    "job",
    metadata,
    id_(sa.BigInteger),
    col("project_id", sa.Integer),
    col("queue", sa.SmallInteger),
    col("trace_id", UUID),
    col("span_id", sa.BigInteger, zero),
    col("evaluator_id", sa.Integer, zero),
    col("day", sa.Date),
    col("run_at", at, now),
    opt("leased_until", at),
    col("created_at", at, now),
    col("attempts", sa.SmallInteger, zero),
    col("dirty", sa.Integer, zero),
    opt("error", sa.Text),
    key("job", "id"),
    sa.UniqueConstraint(
        "project_id", "queue", "trace_id", "span_id", "evaluator_id", name="job_target_key"
    ),
    sa.Index("job_due_idx", "queue", "project_id", "run_at", "id"),
)

job_dead = sa.Table(
    "job_dead",
    metadata,
    col("id", sa.BigInteger),
    col("project_id", sa.Integer),
    col("queue", sa.SmallInteger),
    col("trace_id", UUID),
    col("span_id", sa.BigInteger),
    col("evaluator_id", sa.Integer),
    col("day", sa.Date),
    col("created_at", at),
    col("died_at", at, now),
    col("attempts", sa.SmallInteger),
    opt("error", sa.Text),
    key("job_dead", "id"),
)
