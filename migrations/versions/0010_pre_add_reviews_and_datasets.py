"""People's verdicts, datasets with their cases and versions, and the dashboard's secret."""

from alembic import op

revision = "0010"
down_revision = "0001"

REVIEWS = """
create table ui_secret (
  one boolean not null default true,
  secret bytea not null,
  constraint ui_secret_pkey primary key (one),
  constraint ui_secret_one_check check (one)
);
create table review (
  id bigint generated always as identity,
  project_id int not null,
  at timestamptz not null default now(),
  trace_id uuid not null,
  span_id bigint not null default 0,
  started_at timestamptz not null,
  evaluator text not null,
  reviewer text not null,
  outcome smallint not null,
  judged smallint,
  judged_version text,
  note text,
  constraint review_pkey primary key (id),
  constraint review_target_key unique (project_id, trace_id, span_id, evaluator, reviewer)
);
create index review_evaluator_idx on review (project_id, evaluator, at);
"""

DATASETS = """
create table dataset (
  id int generated always as identity,
  project_id int not null,
  name text not null,
  note text not null default '',
  version int not null default 0,
  created_at timestamptz not null default now(),
  constraint dataset_pkey primary key (id),
  constraint dataset_project_id_name_key unique (project_id, name)
);
create table dataset_version (
  dataset_id int not null,
  version int not null,
  at timestamptz not null default now(),
  made_by text not null,
  what text not null,
  constraint dataset_version_pkey primary key (dataset_id, version)
);
create table dataset_case (
  id bigint generated always as identity,
  dataset_id int not null,
  key text not null,
  since int not null,
  until int,
  trace_id uuid,
  expectation jsonb not null,
  steps int not null,
  title text not null,
  enc smallint not null,
  body bytea not null,
  constraint dataset_case_pkey primary key (id)
);
create unique index dataset_case_current_key
  on dataset_case (dataset_id, key) where until is null;
create index dataset_case_dataset_id_idx on dataset_case (dataset_id, since);
"""


def upgrade() -> None:
    op.execute(REVIEWS)
    op.execute(DATASETS)
