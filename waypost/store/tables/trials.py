"""Trials of datasets, their results by case, and what the gate decided."""

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import JSONB, UUID

from waypost.store.tables.columns import at, col, id_, key, metadata, now, opt

_empty = sa.text("''")

trial = sa.Table(
    "trial",
    metadata,
    id_(sa.BigInteger),
    col("dataset_id", sa.Integer),
    col("name", sa.Text),
    col("version", sa.Integer),
    col("note", sa.Text, _empty),
    col("made_by", sa.Text),
    col("began_at", at, now),
    opt("finished_at", at),
    key("trial", "id"),
    sa.UniqueConstraint("dataset_id", "name", name="trial_dataset_id_name_key"),
    sa.ForeignKeyConstraint(
        ["dataset_id"], ["dataset.id"], name="trial_dataset_id_fkey", ondelete="CASCADE"
    ),
)

trial_result = sa.Table(
    "trial_result",
    metadata,
    col("trial_id", sa.BigInteger),
    col("key", sa.Text),
    col("at", at, now),
    opt("trace_id", UUID),
    col("answer", sa.Text, _empty),
    col("error", sa.Text, _empty),
    opt("differences", JSONB),
    key("trial_result", "trial_id", "key"),
    sa.ForeignKeyConstraint(
        ["trial_id"], ["trial.id"], name="trial_result_trial_id_fkey", ondelete="CASCADE"
    ),
)

decision = sa.Table(
    "decision",
    metadata,
    id_(sa.BigInteger),
    col("trial_id", sa.BigInteger),
    col("at", at, now),
    col("decided_by", sa.Text),
    col("verdict", sa.Text),
    col("sentence", sa.Text),
    opt("baseline", sa.Text),
    col("conditions", JSONB),
    key("decision", "id"),
    sa.ForeignKeyConstraint(
        ["trial_id"], ["trial.id"], name="decision_trial_id_fkey", ondelete="CASCADE"
    ),
    sa.CheckConstraint("verdict in ('yes', 'no', 'unknown')", name="decision_verdict_check"),
    sa.Index("decision_trial_id_idx", "trial_id", "id"),
)
