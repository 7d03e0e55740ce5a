"""What people decide: reviews, and datasets made of runs."""

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import BYTEA, JSONB, UUID

from waypost.store.tables.columns import at, col, id_, key, metadata, now, opt, zero

review = sa.Table(
    "review",
    metadata,
    id_(sa.BigInteger),
    col("project_id", sa.Integer),
    col("at", at, now),
    col("trace_id", UUID),
    col("span_id", sa.BigInteger, zero),
    col("started_at", at),
    col("evaluator", sa.Text),
    col("reviewer", sa.Text),
    col("outcome", sa.SmallInteger),
    opt("judged", sa.SmallInteger),
    opt("judged_version", sa.Text),
    opt("note", sa.Text),
    key("review", "id"),
    sa.UniqueConstraint(
        "project_id", "trace_id", "span_id", "evaluator", "reviewer", name="review_target_key"
    ),
    sa.Index("review_evaluator_idx", "project_id", "evaluator", "at"),
)

dataset = sa.Table(
    "dataset",
    metadata,
    id_(),
    col("project_id", sa.Integer),
    col("name", sa.Text),
    col("note", sa.Text, sa.text("''")),
    col("version", sa.Integer, zero),
    col("created_at", at, now),
    key("dataset", "id"),
    sa.UniqueConstraint("project_id", "name", name="dataset_project_id_name_key"),
)

dataset_version = sa.Table(
    "dataset_version",
    metadata,
    col("dataset_id", sa.Integer),
    col("version", sa.Integer),
    col("at", at, now),
    col("made_by", sa.Text),
    col("what", sa.Text),
    key("dataset_version", "dataset_id", "version"),
)

dataset_case = sa.Table(
    "dataset_case",
    metadata,
    id_(sa.BigInteger),
    col("dataset_id", sa.Integer),
    col("key", sa.Text),
    col("since", sa.Integer),
    opt("until", sa.Integer),
    opt("trace_id", UUID),
    col("expectation", JSONB),
    col("steps", sa.Integer),
    col("title", sa.Text),
    col("enc", sa.SmallInteger),
    col("body", BYTEA),
    key("dataset_case", "id"),
    sa.Index(
        "dataset_case_current_key", "dataset_id", "key",
        unique=True, postgresql_where=sa.text("until is null"),
    ),
    sa.Index("dataset_case_dataset_id_idx", "dataset_id", "since"),
)  # fmt: skip
