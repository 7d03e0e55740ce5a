"""What a project sets for its evaluators, what they reach, and what model judges cost."""

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import DOUBLE_PRECISION, JSONB

from waypost.store.tables.columns import at, col, key, metadata, now

evaluator_setting = sa.Table(
    "evaluator_setting",
    metadata,
    col("project_id", sa.Integer),
    col("part", sa.Text),
    col("name", sa.Text),
    col("origin", sa.Text, sa.text("'store'")),
    col("body", JSONB),
    col("changed_at", at, now),
    key("evaluator_setting", "project_id", "part", "name", "origin"),
    sa.ForeignKeyConstraint(
        ["project_id"], ["project.id"], name="evaluator_setting_project_id_fkey"
    ),
    sa.CheckConstraint(
        "part in ('evaluators', 'judges', 'policies')", name="evaluator_setting_part_check"
    ),
    sa.CheckConstraint("origin in ('file', 'store')", name="evaluator_setting_origin_check"),
)

evaluator_reach = sa.Table(
    "evaluator_reach",
    metadata,
    col("project_id", sa.Integer),
    col("name", sa.Text),
    col("at", at),
    col("target", sa.Text),
    col("owner", sa.Text),
    col("seen", sa.BigInteger),
    col("matched", sa.BigInteger),
    col("why", sa.Text),
    col("paused", sa.Text),
    key("evaluator_reach", "project_id", "name"),
)

judge_hour = sa.Table(
    "judge_hour",
    metadata,
    col("project_id", sa.Integer),
    col("bucket", at),
    col("evaluator_id", sa.Integer),
    *(col(n, sa.BigInteger) for n in ("asked", "errors", "tokens_in", "tokens_out")),
    col("cost_usd", DOUBLE_PRECISION),
    col("pairs", sa.BigInteger),
    col("same", sa.BigInteger),
    key("judge_hour", "project_id", "bucket", "evaluator_id"),
)
