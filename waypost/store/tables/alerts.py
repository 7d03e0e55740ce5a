"""Alert rules, what they know of each cohort, incidents and their messages."""

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import ARRAY, DOUBLE_PRECISION, JSONB

from waypost.store.tables.columns import at, col, id_, key, metadata, now, opt, zero

alert_rule = sa.Table(
    "alert_rule",
    metadata,
    id_(),
    col("project_id", sa.Integer),
    col("name", sa.Text),
    col("origin", sa.Text, sa.text("'store'")),
    col("body", JSONB),
    col("is_enabled", sa.Boolean, sa.text("true")),
    opt("pool", JSONB),
    opt("fault", sa.Text),
    col("created_at", at, now),
    key("alert_rule", "id"),
    sa.UniqueConstraint("project_id", "name", name="alert_rule_project_id_name_key"),
    sa.ForeignKeyConstraint(["project_id"], ["project.id"], name="alert_rule_project_id_fkey"),
    sa.CheckConstraint("origin in ('file', 'store')", name="alert_rule_origin_check"),
)

alert_state = sa.Table(
    "alert_state",
    metadata,
    col("rule_id", sa.Integer),
    col("label", ARRAY(sa.Text)),
    col("cell", ARRAY(DOUBLE_PRECISION)),
    key("alert_state", "rule_id", "label"),
    sa.ForeignKeyConstraint(
        ["rule_id"], ["alert_rule.id"], name="alert_state_rule_id_fkey", ondelete="CASCADE"
    ),
)

incident = sa.Table(
    "incident",
    metadata,
    id_(sa.BigInteger),
    col("project_id", sa.Integer),
    opt("rule_id", sa.Integer),
    col("rule", sa.Text),
    col("mode", sa.Text),
    col("status", sa.Text, sa.text("'open'")),
    col("opened_at", at),
    col("since", at),
    col("changed_at", at),
    opt("resolved_at", at),
    opt("acknowledged_at", at),
    opt("acknowledged_by", sa.Text),
    opt("snoozed_until", at),
    opt("notify_at", at),
    col("notified", sa.Integer, zero),
    col("detail", JSONB, sa.text("'{}'")),
    key("incident", "id"),
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
    col("incident_id", sa.BigInteger),
    col("label", ARRAY(sa.Text)),
    col("joined_at", at),
    opt("left_at", at),
    col("since", at),
    col("k", DOUBLE_PRECISION),
    col("n", DOUBLE_PRECISION),
    col("usual", DOUBLE_PRECISION),
    key("incident_cohort", "incident_id", "label"),
    _of_incident("incident_cohort"),
)

incident_event = sa.Table(
    "incident_event",
    metadata,
    id_(sa.BigInteger),
    col("incident_id", sa.BigInteger),
    col("at", at),
    col("what", sa.Text),
    opt("by", sa.Text),
    col("detail", JSONB, sa.text("'{}'")),
    key("incident_event", "id"),
    _of_incident("incident_event"),
    sa.Index("incident_event_incident_id_idx", "incident_id", "id"),
)

delivery = sa.Table(
    "delivery",
    metadata,
    id_(sa.BigInteger),
    col("project_id", sa.Integer),
    col("incident_id", sa.BigInteger),
    col("kind", sa.Text),
    col("number", sa.Integer),
    col("channel", sa.Text),
    col("message", JSONB),
    col("status", sa.Text, sa.text("'waiting'")),
    col("attempts", sa.Integer, zero),
    col("run_at", at),
    opt("leased_until", at),
    col("created_at", at),
    opt("done_at", at),
    opt("error", sa.Text),
    key("delivery", "id"),
    _of_incident("delivery"),
    sa.UniqueConstraint("incident_id", "kind", "number", "channel", name="delivery_message_key"),
    sa.CheckConstraint("status in ('waiting', 'sent', 'failed')", name="delivery_status_check"),
    sa.Index("delivery_due_idx", "run_at", "id", postgresql_where=sa.text("status = 'waiting'")),
)
