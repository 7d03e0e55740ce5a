"""What a project sets for its evaluators, what they reach, what model judges cost by the hour."""

from alembic import op

revision = "0012"
down_revision = "0011"

SETTINGS = """
create table evaluator_setting (
  project_id int not null,
  part text not null,
  name text not null,
  origin text not null default 'store',
  body jsonb not null,
  changed_at timestamptz not null default now(),
  constraint evaluator_setting_pkey primary key (project_id, part, name, origin),
  constraint evaluator_setting_project_id_fkey foreign key (project_id) references project (id),
  constraint evaluator_setting_part_check check (part in ('evaluators', 'judges', 'policies')),
  constraint evaluator_setting_origin_check check (origin in ('file', 'store'))
);
create table evaluator_reach (
  project_id int not null,
  name text not null,
  at timestamptz not null,
  target text not null,
  owner text not null,
  seen bigint not null,
  matched bigint not null,
  why text not null,
  paused text not null,
  constraint evaluator_reach_pkey primary key (project_id, name)
);
"""

SPENT = """
create table judge_hour (
  project_id int not null,
  bucket timestamptz not null,
  evaluator_id int not null,
  asked bigint not null,
  errors bigint not null,
  tokens_in bigint not null,
  tokens_out bigint not null,
  cost_usd double precision not null,
  pairs bigint not null,
  same bigint not null,
  constraint judge_hour_pkey primary key (project_id, bucket, evaluator_id)
) with (fillfactor = 50);
create index score_said_idx on score (project_id, evaluator_id, started_at)
  where scored_by is not null;
"""


def upgrade() -> None:
    op.execute(SETTINGS)
    op.execute(SPENT)
