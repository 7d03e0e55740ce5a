"""Projects, keys and what a project knows: its evaluators, its cohorts, its log of changes."""

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import ARRAY, BYTEA, JSONB

from waypost.store.tables.columns import at, col, id_, key, metadata, now, opt

project = sa.Table(
    "project",
    metadata,
    id_(),
    col("name", sa.Text),
    col("created_at", at, now),
    col("masking", sa.Text, sa.text("'standard'")),
    col("keep_days", sa.Integer, sa.text("30")),
    col(
        "cohort_keys",
        ARRAY(sa.Text),
        sa.text("'{agent,route,model,prompt_version,environment,tenant,region}'"),
    ),
    key("project", "id"),
    sa.UniqueConstraint("name", name="project_name_key"),
    sa.CheckConstraint("masking in ('off', 'standard', 'strict')", name="project_masking_check"),
    sa.CheckConstraint("keep_days between 1 and 3650", name="project_keep_days_check"),
)

api_key = sa.Table(
    "api_key",
    metadata,
    id_(),
    col("project_id", sa.Integer),
    col("name", sa.Text),
    col("hash", BYTEA),
    col("hint", sa.Text),
    col("scopes", ARRAY(sa.Text)),
    col("created_at", at, now),
    opt("expires_at", at),
    opt("revoked_at", at),
    opt("last_used_at", at),
    key("api_key", "id"),
    sa.UniqueConstraint("hash", name="api_key_hash_key"),
    sa.ForeignKeyConstraint(["project_id"], ["project.id"], name="api_key_project_id_fkey"),
    sa.Index("api_key_project_id_idx", "project_id"),
)

evaluator = sa.Table(
    "evaluator",
    metadata,
    id_(),
    col("project_id", sa.Integer),
    col("name", sa.Text),
    col("version", sa.Text),
    col("source", sa.Text, sa.text("'code'")),
    col("first_at", at, now),
    key("evaluator", "id"),
    sa.UniqueConstraint(
        "project_id", "name", "version", name="evaluator_project_id_name_version_key"
    ),
)

cohort = sa.Table(
    "cohort",
    metadata,
    id_(),
    col("project_id", sa.Integer),
    col("attrs", JSONB),
    col("key", BYTEA),
    col("first_at", at, now),
    key("cohort", "id"),
    sa.UniqueConstraint("project_id", "key", name="cohort_project_id_key_key"),
)

audit = sa.Table(
    "audit",
    metadata,
    id_(sa.BigInteger),
    col("at", at, now),
    opt("project_id", sa.Integer),
    col("actor", sa.Text),
    col("origin", sa.Text),
    col("action", sa.Text),
    col("target", sa.Text),
    opt("before", JSONB),
    opt("after", JSONB),
    col("previous", BYTEA),
    col("hash", BYTEA),
    key("audit", "id"),
)

intake = sa.Table(
    "intake",
    metadata,
    col("project_id", sa.Integer),
    col("bucket", at),
    col("what", sa.Text),
    col("n", sa.BigInteger),
    key("intake", "project_id", "bucket", "what"),
)

ui_secret = sa.Table(
    "ui_secret",
    metadata,
    col("one", sa.Boolean, sa.text("true")),
    col("secret", BYTEA),
    key("ui_secret", "one"),
    sa.CheckConstraint("one", name="ui_secret_one_check"),
)
