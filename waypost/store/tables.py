"""The tables as SQLAlchemy Core sees them; a test holds them equal to the migrated schema."""

from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import ARRAY, BYTEA, DOUBLE_PRECISION, JSONB, TIMESTAMP, UUID

metadata = sa.MetaData()

_at = TIMESTAMP(timezone=True)
_now = sa.text("now()")
_zero = sa.text("0")
_off = sa.text("false")


def _col(name: str, kind: Any, default: sa.TextClause | None = None) -> sa.Column[Any]:
    return sa.Column(name, kind, nullable=False, server_default=default)


def _opt(name: str, kind: Any) -> sa.Column[Any]:
    return sa.Column(name, kind, nullable=True)


def _id(kind: Any = sa.Integer) -> sa.Column[Any]:
    return sa.Column("id", kind, sa.Identity(always=True), nullable=False)


def _key(name: str, *columns: str) -> sa.PrimaryKeyConstraint:
    return sa.PrimaryKeyConstraint(*columns, name=f"{name}_pkey")


project = sa.Table(
    "project",
    metadata,
    _id(),
    _col("name", sa.Text),
    _col("created_at", _at, _now),
    _col("masking", sa.Text, sa.text("'standard'")),
    _col("keep_days", sa.Integer, sa.text("30")),
    _col(
        "cohort_keys",
        ARRAY(sa.Text),
        sa.text("'{agent,route,model,prompt_version,environment,tenant,region}'"),
    ),
    _key("project", "id"),
    sa.UniqueConstraint("name", name="project_name_key"),
    sa.CheckConstraint("masking in ('off', 'standard', 'strict')", name="project_masking_check"),
    sa.CheckConstraint("keep_days between 1 and 3650", name="project_keep_days_check"),
)

api_key = sa.Table(
    "api_key",
    metadata,
    _id(),
    _col("project_id", sa.Integer),
    _col("name", sa.Text),
    _col("hash", BYTEA),
    _col("hint", sa.Text),
    _col("scopes", ARRAY(sa.Text)),
    _col("created_at", _at, _now),
    _opt("expires_at", _at),
    _opt("revoked_at", _at),
    _opt("last_used_at", _at),
    _key("api_key", "id"),
    sa.UniqueConstraint("hash", name="api_key_hash_key"),
    sa.ForeignKeyConstraint(["project_id"], ["project.id"], name="api_key_project_id_fkey"),
    sa.Index("api_key_project_id_idx", "project_id"),
)

evaluator = sa.Table(
    "evaluator",
    metadata,
    _id(),
    _col("project_id", sa.Integer),
    _col("name", sa.Text),
    _col("version", sa.Text),
    _col("source", sa.Text, sa.text("'code'")),
    _col("first_at", _at, _now),
    _key("evaluator", "id"),
    sa.UniqueConstraint(
        "project_id", "name", "version", name="evaluator_project_id_name_version_key"
    ),
)

cohort = sa.Table(
    "cohort",
    metadata,
    _id(),
    _col("project_id", sa.Integer),
    _col("attrs", JSONB),
    _col("key", BYTEA),
    _col("first_at", _at, _now),
    _key("cohort", "id"),
    sa.UniqueConstraint("project_id", "key", name="cohort_project_id_key_key"),
)

audit = sa.Table(
    "audit",
    metadata,
    _id(sa.BigInteger),
    _col("at", _at, _now),
    _opt("project_id", sa.Integer),
    _col("actor", sa.Text),
    _col("origin", sa.Text),
    _col("action", sa.Text),
    _col("target", sa.Text),
    _opt("before", JSONB),
    _opt("after", JSONB),
    _col("previous", BYTEA),
    _col("hash", BYTEA),
    _key("audit", "id"),
)

trajectory = sa.Table(
    "trajectory",
    metadata,
    _col("project_id", sa.Integer),
    _col("trace_id", UUID),
    _col("day", sa.Date),
    _col("trajectory_id", UUID),
    _col("first_at", _at),
    _col("last_at", _at),
    _col("status", sa.SmallInteger, _zero),
    _col("root_ended", sa.Boolean, _off),
    _opt("settled_at", _at),
    *(
        _opt(name, sa.Text)
        for name in (
            "name", "agent", "session_id", "user_id", "service", "environment", "model",
            "prompt_version",
        )
    ),
    _opt("cohort_id", sa.Integer),
    _col("steps", sa.Integer, _zero),
    _col("errors", sa.Integer, _zero),
    _col("fails", sa.Integer, _zero),
    _opt("first_bad_step", sa.Integer),
    _opt("worst_score", sa.REAL),
    _col("tokens_in", sa.BigInteger, _zero),
    _col("tokens_out", sa.BigInteger, _zero),
    _col("tokens_cached", sa.BigInteger, _zero),
    _col("tokens_partial", sa.Boolean, _off),
    _col("cost_usd", DOUBLE_PRECISION, _zero),
    _col("cost_partial", sa.Boolean, _off),
    _opt("shape", sa.Text),
    _opt("measures", JSONB),
    _opt("counted", JSONB),
    _key("trajectory", "project_id", "trace_id", "day"),
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
    _col("project_id", sa.Integer),
    _col("trace_id", UUID),
    _col("span_id", sa.BigInteger),
    _col("started_at", _at),
    _opt("parent_id", sa.BigInteger),
    _col("started_ns", sa.SmallInteger),
    _col("duration_ns", sa.BigInteger),
    _col("kind", sa.SmallInteger),
    _col("status", sa.SmallInteger),
    _col("marker", sa.Boolean),
    _col("marked", sa.Boolean, _off),
    _col("name", sa.Text),
    _opt("tool", sa.Text),
    _opt("model", sa.Text),
    _opt("prompt_version", sa.Text),
    _opt("tokens_in", sa.Integer),
    _opt("tokens_out", sa.Integer),
    _opt("cost_usd", DOUBLE_PRECISION),
    _opt("base_id", sa.BigInteger),
    _opt("keep", sa.Integer),
    _opt("add", BYTEA),
    _opt("sum", BYTEA),
    _opt("output", BYTEA),
    _col("enc", sa.SmallInteger),
    _col("detail", BYTEA),
    _key("step", "project_id", "trace_id", "span_id", "started_at"),
    postgresql_partition_by="RANGE (started_at)",
)

message = sa.Table(
    "message",
    metadata,
    _col("project_id", sa.Integer),
    _col("trace_id", UUID),
    _col("day", sa.Date),
    _col("hash", BYTEA),
    _col("enc", sa.SmallInteger),
    _col("body", BYTEA),
    _key("message", "project_id", "trace_id", "hash", "day"),
    postgresql_partition_by="RANGE (day)",
)

content = sa.Table(
    "content",
    metadata,
    _col("project_id", sa.Integer),
    _col("trace_id", UUID),
    _col("span_id", sa.BigInteger),
    _col("at", _at),
    _col("direction", sa.Text),
    _col("hash", BYTEA),
    _col("enc", sa.SmallInteger),
    _col("body", BYTEA),
    _key("content", "project_id", "trace_id", "span_id", "hash", "at"),
    postgresql_partition_by="RANGE (at)",
)

feedback = sa.Table(
    "feedback",
    metadata,
    _col("project_id", sa.Integer),
    _col("key", BYTEA),
    _col("at", _at),
    _opt("trace_id", UUID),
    _opt("span_id", sa.BigInteger),
    _opt("session_id", sa.Text),
    _opt("response_id", sa.Text),
    _col("name", sa.Text),
    _col("attached", sa.Boolean, _off),
    _col("detail", JSONB),
    _key("feedback", "project_id", "key", "at"),
    sa.Index("feedback_trace_id_idx", "project_id", "trace_id"),
    sa.Index(
        "feedback_session_id_idx", "project_id", "session_id",
        postgresql_where=sa.text("session_id is not null"),
    ),
    postgresql_partition_by="RANGE (at)",
)  # fmt: skip

score = sa.Table(
    "score",
    metadata,
    _col("project_id", sa.Integer),
    _col("trace_id", UUID),
    _col("span_id", sa.BigInteger),
    _col("evaluator_id", sa.Integer),
    _col("started_at", _at),
    _col("cohort_id", sa.Integer),
    _col("outcome", sa.SmallInteger),
    _opt("value", sa.REAL),
    _opt("label", sa.Text),
    _opt("explanation", sa.Text),
    _opt("evidence", JSONB),
    _opt("scored_by", sa.Text),
    _opt("cost_usd", DOUBLE_PRECISION),
    _col("scored_at", _at, _now),
    _key("score", "project_id", "trace_id", "span_id", "evaluator_id", "started_at"),
    sa.Index(
        "score_failed_idx", "project_id", "cohort_id", "evaluator_id",
        sa.text("started_at desc"), postgresql_where=sa.text("outcome = 0"),
    ),
    postgresql_partition_by="RANGE (started_at)",
)  # fmt: skip


def _counters(name: str) -> sa.Table:
    return sa.Table(
        name,
        metadata,
        _col("project_id", sa.Integer),
        _col("bucket", _at),
        _col("cohort_id", sa.Integer),
        _col("evaluator_id", sa.Integer),
        _col("n", sa.BigInteger),
        _col("n_fail", sa.BigInteger),
        _col("n_abstain", sa.BigInteger),
        _col("value_sum", DOUBLE_PRECISION),
        _key(name, "project_id", "bucket", "cohort_id", "evaluator_id"),
    )


score_hour = _counters("score_hour")
score_day = _counters("score_day")

job = sa.Table(
    "job",
    metadata,
    _id(sa.BigInteger),
    _col("project_id", sa.Integer),
    _col("queue", sa.SmallInteger),
    _col("trace_id", UUID),
    _col("span_id", sa.BigInteger, _zero),
    _col("evaluator_id", sa.Integer, _zero),
    _col("day", sa.Date),
    _col("run_at", _at, _now),
    _opt("leased_until", _at),
    _col("created_at", _at, _now),
    _col("attempts", sa.SmallInteger, _zero),
    _col("dirty", sa.Integer, _zero),
    _opt("error", sa.Text),
    _key("job", "id"),
    sa.UniqueConstraint(
        "project_id", "queue", "trace_id", "span_id", "evaluator_id", name="job_target_key"
    ),
    sa.Index("job_due_idx", "queue", "project_id", "run_at", "id"),
)

job_dead = sa.Table(
    "job_dead",
    metadata,
    _col("id", sa.BigInteger),
    _col("project_id", sa.Integer),
    _col("queue", sa.SmallInteger),
    _col("trace_id", UUID),
    _col("span_id", sa.BigInteger),
    _col("evaluator_id", sa.Integer),
    _col("day", sa.Date),
    _col("created_at", _at),
    _col("died_at", _at, _now),
    _col("attempts", sa.SmallInteger),
    _opt("error", sa.Text),
    _key("job_dead", "id"),
)

intake = sa.Table(
    "intake",
    metadata,
    _col("project_id", sa.Integer),
    _col("bucket", _at),
    _col("what", sa.Text),
    _col("n", sa.BigInteger),
    _key("intake", "project_id", "bucket", "what"),
)

ui_secret = sa.Table(
    "ui_secret",
    metadata,
    _col("one", sa.Boolean, sa.text("true")),
    _col("secret", BYTEA),
    _key("ui_secret", "one"),
    sa.CheckConstraint("one", name="ui_secret_one_check"),
)

review = sa.Table(
    "review",
    metadata,
    _id(sa.BigInteger),
    _col("project_id", sa.Integer),
    _col("at", _at, _now),
    _col("trace_id", UUID),
    _col("span_id", sa.BigInteger, _zero),
    _col("started_at", _at),
    _col("evaluator", sa.Text),
    _col("reviewer", sa.Text),
    _col("outcome", sa.SmallInteger),
    _opt("judged", sa.SmallInteger),
    _opt("judged_version", sa.Text),
    _opt("note", sa.Text),
    _key("review", "id"),
    sa.UniqueConstraint(
        "project_id", "trace_id", "span_id", "evaluator", "reviewer", name="review_target_key"
    ),
    sa.Index("review_evaluator_idx", "project_id", "evaluator", "at"),
)

dataset = sa.Table(
    "dataset",
    metadata,
    _id(),
    _col("project_id", sa.Integer),
    _col("name", sa.Text),
    _col("note", sa.Text, sa.text("''")),
    _col("version", sa.Integer, _zero),
    _col("created_at", _at, _now),
    _key("dataset", "id"),
    sa.UniqueConstraint("project_id", "name", name="dataset_project_id_name_key"),
)

dataset_version = sa.Table(
    "dataset_version",
    metadata,
    _col("dataset_id", sa.Integer),
    _col("version", sa.Integer),
    _col("at", _at, _now),
    _col("made_by", sa.Text),
    _col("what", sa.Text),
    _key("dataset_version", "dataset_id", "version"),
)

dataset_case = sa.Table(
    "dataset_case",
    metadata,
    _id(sa.BigInteger),
    _col("dataset_id", sa.Integer),
    _col("key", sa.Text),
    _col("since", sa.Integer),
    _opt("until", sa.Integer),
    _opt("trace_id", UUID),
    _col("expectation", JSONB),
    _col("steps", sa.Integer),
    _col("title", sa.Text),
    _col("enc", sa.SmallInteger),
    _col("body", BYTEA),
    _key("dataset_case", "id"),
    sa.Index(
        "dataset_case_current_key", "dataset_id", "key",
        unique=True, postgresql_where=sa.text("until is null"),
    ),
    sa.Index("dataset_case_dataset_id_idx", "dataset_id", "since"),
)  # fmt: skip

changed = sa.Table(
    "changed",
    metadata,
    _id(sa.BigInteger),
    _col("project_id", sa.Integer),
    _col("trace_id", UUID),
    _col("at", _at, _now),
    _key("changed", "id"),
)


def _run_counters(name: str) -> sa.Table:
    return sa.Table(
        name,
        metadata,
        _col("project_id", sa.Integer),
        _col("bucket", _at),
        _col("cohort_id", sa.Integer),
        _col("measure", sa.SmallInteger),
        _col("n", sa.BigInteger),
        _col("total", DOUBLE_PRECISION),
        _key(name, "project_id", "bucket", "cohort_id", "measure"),
    )


run_hour = _run_counters("run_hour")
run_day = _run_counters("run_day")

first_seen = sa.Table(
    "first_seen",
    metadata,
    _col("project_id", sa.Integer),
    _col("kind", sa.Text),
    _col("name", sa.Text),
    _col("version", sa.Text),
    _col("at", _at),
    _key("first_seen", "project_id", "kind", "name", "version"),
    sa.Index("first_seen_at_idx", "project_id", "at"),
)

cohort_value = sa.Table(
    "cohort_value",
    metadata,
    _col("project_id", sa.Integer),
    _col("day", sa.Date),
    _col("key", sa.Text),
    _col("value", sa.Text),
    _key("cohort_value", "project_id", "day", "key", "value"),
)

alert_rule = sa.Table(
    "alert_rule",
    metadata,
    _id(),
    _col("project_id", sa.Integer),
    _col("name", sa.Text),
    _col("origin", sa.Text, sa.text("'store'")),
    _col("body", JSONB),
    _col("is_enabled", sa.Boolean, sa.text("true")),
    _opt("pool", JSONB),
    _col("created_at", _at, _now),
    _key("alert_rule", "id"),
    sa.UniqueConstraint("project_id", "name", name="alert_rule_project_id_name_key"),
    sa.ForeignKeyConstraint(["project_id"], ["project.id"], name="alert_rule_project_id_fkey"),
    sa.CheckConstraint("origin in ('file', 'store')", name="alert_rule_origin_check"),
)

alert_state = sa.Table(
    "alert_state",
    metadata,
    _col("rule_id", sa.Integer),
    _col("label", ARRAY(sa.Text)),
    _col("cell", ARRAY(DOUBLE_PRECISION)),
    _key("alert_state", "rule_id", "label"),
    sa.ForeignKeyConstraint(
        ["rule_id"], ["alert_rule.id"], name="alert_state_rule_id_fkey", ondelete="CASCADE"
    ),
)

incident = sa.Table(
    "incident",
    metadata,
    _id(sa.BigInteger),
    _col("project_id", sa.Integer),
    _opt("rule_id", sa.Integer),
    _col("rule", sa.Text),
    _col("mode", sa.Text),
    _col("status", sa.Text, sa.text("'open'")),
    _col("opened_at", _at),
    _col("since", _at),
    _col("changed_at", _at),
    _opt("resolved_at", _at),
    _opt("acknowledged_at", _at),
    _opt("acknowledged_by", sa.Text),
    _opt("snoozed_until", _at),
    _opt("notify_at", _at),
    _col("notified", sa.Integer, _zero),
    _col("detail", JSONB, sa.text("'{}'")),
    _key("incident", "id"),
    sa.CheckConstraint("mode in ('rate', 'no_data')", name="incident_mode_check"),
    sa.CheckConstraint("status in ('open', 'resolved')", name="incident_status_check"),
    sa.Index(
        "incident_project_id_opened_at_idx", "project_id", sa.text("opened_at desc"),
        sa.text("id desc"),
    ),
    sa.Index(
        "incident_open_idx", "project_id", "rule_id",
        postgresql_where=sa.text("status = 'open'"),
    ),
    sa.Index(
        "incident_notify_idx", "notify_at", postgresql_where=sa.text("notify_at is not null")
    ),
)  # fmt: skip


def _of_incident(table: str) -> sa.ForeignKeyConstraint:
    return sa.ForeignKeyConstraint(
        ["incident_id"], ["incident.id"], name=f"{table}_incident_id_fkey", ondelete="CASCADE"
    )


incident_cohort = sa.Table(
    "incident_cohort",
    metadata,
    _col("incident_id", sa.BigInteger),
    _col("label", ARRAY(sa.Text)),
    _col("joined_at", _at),
    _opt("left_at", _at),
    _col("since", _at),
    _col("k", DOUBLE_PRECISION),
    _col("n", DOUBLE_PRECISION),
    _col("usual", DOUBLE_PRECISION),
    _key("incident_cohort", "incident_id", "label"),
    _of_incident("incident_cohort"),
)

incident_event = sa.Table(
    "incident_event",
    metadata,
    _id(sa.BigInteger),
    _col("incident_id", sa.BigInteger),
    _col("at", _at),
    _col("what", sa.Text),
    _opt("by", sa.Text),
    _col("detail", JSONB, sa.text("'{}'")),
    _key("incident_event", "id"),
    _of_incident("incident_event"),
    sa.Index("incident_event_incident_id_idx", "incident_id", "id"),
)

delivery = sa.Table(
    "delivery",
    metadata,
    _id(sa.BigInteger),
    _col("project_id", sa.Integer),
    _col("incident_id", sa.BigInteger),
    _col("kind", sa.Text),
    _col("number", sa.Integer),
    _col("channel", sa.Text),
    _col("message", JSONB),
    _col("status", sa.Text, sa.text("'waiting'")),
    _col("attempts", sa.Integer, _zero),
    _col("run_at", _at),
    _opt("leased_until", _at),
    _col("created_at", _at),
    _opt("done_at", _at),
    _opt("error", sa.Text),
    _key("delivery", "id"),
    _of_incident("delivery"),
    sa.UniqueConstraint("incident_id", "kind", "number", "channel", name="delivery_message_key"),
    sa.CheckConstraint("status in ('waiting', 'sent', 'failed')", name="delivery_status_check"),
    sa.Index("delivery_due_idx", "run_at", "id", postgresql_where=sa.text("status = 'waiting'")),
)

PARTITIONED = ("trajectory", "step", "message", "content", "feedback", "score")
