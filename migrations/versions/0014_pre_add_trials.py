"""Trials: a candidate run against a version of a dataset, what came out, and what the gate said."""

from alembic import op

revision = "0014"
down_revision = "0013"

TRIALS = """
create table trial (
  id bigint generated always as identity,
  dataset_id int not null,
  name text not null,
  version int not null,
  note text not null default '',
  made_by text not null,
  began_at timestamptz not null default now(),
  finished_at timestamptz,
  constraint trial_pkey primary key (id),
  constraint trial_dataset_id_name_key unique (dataset_id, name),
  constraint trial_dataset_id_fkey foreign key (dataset_id)
    references dataset (id) on delete cascade
);
create table trial_result (
  trial_id bigint not null,
  key text not null,
  at timestamptz not null default now(),
  trace_id uuid,
  answer text not null default '',
  error text not null default '',
  differences jsonb,
  constraint trial_result_pkey primary key (trial_id, key),
  constraint trial_result_trial_id_fkey foreign key (trial_id)
    references trial (id) on delete cascade
);
create table decision (
  id bigint generated always as identity,
  trial_id bigint not null,
  at timestamptz not null default now(),
  decided_by text not null,
  verdict text not null,
  sentence text not null,
  baseline text,
  conditions jsonb not null,
  constraint decision_pkey primary key (id),
  constraint decision_trial_id_fkey foreign key (trial_id) references trial (id) on delete cascade,
  constraint decision_verdict_check check (verdict in ('yes', 'no', 'unknown'))
);
create index decision_trial_id_idx on decision (trial_id, id);
"""


def upgrade() -> None:
    op.execute(TRIALS)
