"""The newest verdict of an evaluator on a step counts; a rule keeps why it broke the last time."""

from alembic import op

revision = "0013"
down_revision = "0012"


def upgrade() -> None:
    op.execute("alter table score add column counts boolean not null default true")
    op.execute("alter table alert_rule add column fault text")
