"""The store: projects and keys, steps with their messages, scores with counters, leased jobs.

Growing tables are partitioned by day and point at nothing in another day. Every key begins
with project_id and holds trace_id.
"""

from alembic import op

revision = "0001"
down_revision = None

PROJECTS = """
create table project (
  id int generated always as identity,
  name text not null,
  created_at timestamptz not null default now(),
  masking text not null default 'standard',
  keep_days int not null default 30,
  cohort_keys text[] not null
    default '{agent,route,model,prompt_version,environment,tenant,region}',
  constraint project_pkey primary key (id),
  constraint project_name_key unique (name),
  constraint project_masking_check check (masking in ('off', 'standard', 'strict')),
  constraint project_keep_days_check check (keep_days between 1 and 3650)
);
create table api_key (
  id int generated always as identity,
  project_id int not null,
  name text not null,
  hash bytea not null,
  hint text not null,
  scopes text[] not null,
  created_at timestamptz not null default now(),
  expires_at timestamptz,
  revoked_at timestamptz,
  last_used_at timestamptz,
  constraint api_key_pkey primary key (id),
  constraint api_key_hash_key unique (hash),
  constraint api_key_project_id_fkey foreign key (project_id) references project (id)
);
create index api_key_project_id_idx on api_key (project_id);
create table evaluator (
  id int generated always as identity,
  project_id int not null,
  name text not null,
  version text not null,
  source text not null default 'code',
  first_at timestamptz not null default now(),
  constraint evaluator_pkey primary key (id),
  constraint evaluator_project_id_name_version_key unique (project_id, name, version)
);
create table cohort (
  id int generated always as identity,
  project_id int not null,
  attrs jsonb not null,
  key bytea not null,
  first_at timestamptz not null default now(),
  constraint cohort_pkey primary key (id),
  constraint cohort_project_id_key_key unique (project_id, key)
);
create table audit (
  id bigint generated always as identity,
  at timestamptz not null default now(),
  project_id int,
  actor text not null,
  origin text not null,
  action text not null,
  target text not null,
  before jsonb,
  after jsonb,
  previous bytea not null,
  hash bytea not null,
  constraint audit_pkey primary key (id)
);
create function audit_is_append_only() returns trigger language plpgsql as $body$
begin
  raise exception 'the audit log is append-only';
end $body$;
create trigger audit_no_change before update or delete on audit
  for each row execute function audit_is_append_only();
create trigger audit_no_truncate before truncate on audit
  for each statement execute function audit_is_append_only();
"""

STEPS = """
create table trajectory (
  project_id int not null,
  trace_id uuid not null,
  day date not null,
  trajectory_id uuid not null,
  first_at timestamptz not null,
  last_at timestamptz not null,
  status smallint not null default 0,
  root_ended boolean not null default false,
  settled_at timestamptz,
  name text,
  agent text,
  session_id text,
  user_id text,
  service text,
  environment text,
  model text,
  prompt_version text,
  cohort_id int,
  steps int not null default 0,
  errors int not null default 0,
  fails int not null default 0,
  first_bad_step int,
  worst_score real,
  tokens_in bigint not null default 0,
  tokens_out bigint not null default 0,
  tokens_cached bigint not null default 0,
  tokens_partial boolean not null default false,
  cost_usd double precision not null default 0,
  cost_partial boolean not null default false,
  shape text,
  constraint trajectory_pkey primary key (project_id, trace_id, day)
) partition by range (day);
create index trajectory_first_at_idx on trajectory (project_id, first_at desc, trace_id);
create index trajectory_failing_idx
  on trajectory (project_id, cohort_id, first_at desc) where fails > 0;
create index trajectory_trajectory_id_idx on trajectory (project_id, trajectory_id);
create index trajectory_session_id_idx
  on trajectory (project_id, session_id) where session_id is not null;
create index trajectory_user_id_idx
  on trajectory (project_id, user_id) where user_id is not null;

create table step (
  project_id int not null,
  trace_id uuid not null,
  span_id bigint not null,
  started_at timestamptz not null,
  parent_id bigint,
  started_ns smallint not null,
  duration_ns bigint not null,
  kind smallint not null,
  status smallint not null,
  marker boolean not null,
  marked boolean not null default false,
  name text not null,
  tool text,
  model text,
  prompt_version text,
  tokens_in int,
  tokens_out int,
  cost_usd double precision,
  base_id bigint,
  keep int,
  add bytea,
  sum bytea,
  output bytea,
  enc smallint not null,
  detail bytea not null,
  constraint step_pkey primary key (project_id, trace_id, span_id, started_at)
) partition by range (started_at);

create table message (
  project_id int not null,
  trace_id uuid not null,
  day date not null,
  hash bytea not null,
  enc smallint not null,
  body bytea not null,
  constraint message_pkey primary key (project_id, trace_id, hash, day)
) partition by range (day);

create table content (
  project_id int not null,
  trace_id uuid not null,
  span_id bigint not null,
  at timestamptz not null,
  direction text not null,
  hash bytea not null,
  enc smallint not null,
  body bytea not null,
  constraint content_pkey primary key (project_id, trace_id, span_id, hash, at)
) partition by range (at);

create table feedback (
  project_id int not null,
  key bytea not null,
  at timestamptz not null,
  trace_id uuid,
  span_id bigint,
  session_id text,
  response_id text,
  name text not null,
  attached boolean not null default false,
  detail jsonb not null,
  constraint feedback_pkey primary key (project_id, key, at)
) partition by range (at);
create index feedback_trace_id_idx on feedback (project_id, trace_id);
create index feedback_session_id_idx
  on feedback (project_id, session_id) where session_id is not null;
"""

SCORES = """
create table score (
  project_id int not null,
  trace_id uuid not null,
  span_id bigint not null,
  evaluator_id int not null,
  started_at timestamptz not null,
  cohort_id int not null,
  outcome smallint not null,
  value real,
  label text,
  explanation text,
  evidence jsonb,
  scored_by text,
  cost_usd double precision,
  scored_at timestamptz not null default now(),
  constraint score_pkey primary key (project_id, trace_id, span_id, evaluator_id, started_at)
) partition by range (started_at);
create index score_failed_idx
  on score (project_id, cohort_id, evaluator_id, started_at desc) where outcome = 0;

create table score_hour (
  project_id int not null,
  bucket timestamptz not null,
  cohort_id int not null,
  evaluator_id int not null,
  n bigint not null,
  n_fail bigint not null,
  n_abstain bigint not null,
  value_sum double precision not null,
  constraint score_hour_pkey primary key (project_id, bucket, cohort_id, evaluator_id)
) with (fillfactor = 50);
create table score_day (
  project_id int not null,
  bucket timestamptz not null,
  cohort_id int not null,
  evaluator_id int not null,
  n bigint not null,
  n_fail bigint not null,
  n_abstain bigint not null,
  value_sum double precision not null,
  constraint score_day_pkey primary key (project_id, bucket, cohort_id, evaluator_id)
) with (fillfactor = 50);
"""

JOBS = """
create table job (
  id bigint generated always as identity,
  project_id int not null,
  queue smallint not null,
  trace_id uuid not null,
  span_id bigint not null default 0,
  evaluator_id int not null default 0,
  day date not null,
  run_at timestamptz not null default now(),
  leased_until timestamptz,
  created_at timestamptz not null default now(),
  attempts smallint not null default 0,
  dirty int not null default 0,
  error text,
  constraint job_pkey primary key (id),
  constraint job_target_key unique (project_id, queue, trace_id, span_id, evaluator_id)
) with (fillfactor = 70, autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_cost_delay = 0);
create index job_due_idx on job (queue, project_id, run_at, id);
create table job_dead (
  id bigint not null,
  project_id int not null,
  queue smallint not null,
  trace_id uuid not null,
  span_id bigint not null,
  evaluator_id int not null,
  day date not null,
  created_at timestamptz not null,
  died_at timestamptz not null default now(),
  attempts smallint not null,
  error text,
  constraint job_dead_pkey primary key (id)
);
create table intake (
  project_id int not null,
  bucket timestamptz not null,
  what text not null,
  n bigint not null,
  constraint intake_pkey primary key (project_id, bucket, what)
);
"""


def upgrade() -> None:
    for part in (PROJECTS, STEPS, SCORES, JOBS):
        op.execute(part)
    op.execute("insert into project (name) values ('default')")
