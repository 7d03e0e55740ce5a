"""Counters of runs, what was first seen when, alert rules with their state, incidents, deliveries.

`trajectory.measures` is what a settled run adds up to beyond its columns; `counted` is what of
it the counters and the alerts hold, so that a later change moves them by the difference.
"""

from alembic import op

revision = "0011"
down_revision = "0010"

RUNS = """
alter table trajectory add column measures jsonb, add column counted jsonb;
create table changed (
  id bigint generated always as identity,
  project_id int not null,
  trace_id uuid not null,
  at timestamptz not null default now(),
  constraint changed_pkey primary key (id)
) with (fillfactor = 70, autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_cost_delay = 0);
create table run_hour (
  project_id int not null,
  bucket timestamptz not null,
  cohort_id int not null,
  measure smallint not null,
  n bigint not null,
  total double precision not null,
  constraint run_hour_pkey primary key (project_id, bucket, cohort_id, measure)
) with (fillfactor = 50);
create table run_day (
  project_id int not null,
  bucket timestamptz not null,
  cohort_id int not null,
  measure smallint not null,
  n bigint not null,
  total double precision not null,
  constraint run_day_pkey primary key (project_id, bucket, cohort_id, measure)
) with (fillfactor = 50);
create table first_seen (
  project_id int not null,
  kind text not null,
  name text not null,
  version text not null,
  at timestamptz not null,
  constraint first_seen_pkey primary key (project_id, kind, name, version)
);
create index first_seen_at_idx on first_seen (project_id, at);
create table cohort_value (
  project_id int not null,
  day date not null,
  key text not null,
  value text not null,
  constraint cohort_value_pkey primary key (project_id, day, key, value)
);
"""

ALERTS = """
create table alert_rule (
  id int generated always as identity,
  project_id int not null,
  name text not null,
  origin text not null default 'store',
  body jsonb not null,
  is_enabled boolean not null default true,
  pool jsonb,
  created_at timestamptz not null default now(),
  constraint alert_rule_pkey primary key (id),
  constraint alert_rule_project_id_name_key unique (project_id, name),
  constraint alert_rule_project_id_fkey foreign key (project_id) references project (id),
  constraint alert_rule_origin_check check (origin in ('file', 'store'))
);
create table alert_state (
  rule_id int not null,
  label text[] not null,
  cell double precision[] not null,
  constraint alert_state_pkey primary key (rule_id, label),
  constraint alert_state_rule_id_fkey foreign key (rule_id)
    references alert_rule (id) on delete cascade
) with (fillfactor = 50);
create table incident (
  id bigint generated always as identity,
  project_id int not null,
  rule_id int,
  rule text not null,
  mode text not null,
  status text not null default 'open',
  opened_at timestamptz not null,
  since timestamptz not null,
  changed_at timestamptz not null,
  resolved_at timestamptz,
  acknowledged_at timestamptz,
  acknowledged_by text,
  snoozed_until timestamptz,
  notify_at timestamptz,
  notified int not null default 0,
  detail jsonb not null default '{}',
  constraint incident_pkey primary key (id),
  constraint incident_mode_check check (mode in ('rate', 'no_data')),
  constraint incident_status_check check (status in ('open', 'resolved'))
);
create index incident_project_id_opened_at_idx on incident (project_id, opened_at desc, id desc);
create index incident_open_idx on incident (project_id, rule_id) where status = 'open';
create index incident_notify_idx on incident (notify_at) where notify_at is not null;
create table incident_cohort (
  incident_id bigint not null,
  label text[] not null,
  joined_at timestamptz not null,
  left_at timestamptz,
  since timestamptz not null,
  k double precision not null,
  n double precision not null,
  usual double precision not null,
  constraint incident_cohort_pkey primary key (incident_id, label),
  constraint incident_cohort_incident_id_fkey foreign key (incident_id)
    references incident (id) on delete cascade
);
create table incident_event (
  id bigint generated always as identity,
  incident_id bigint not null,
  at timestamptz not null,
  what text not null,
  by text,
  detail jsonb not null default '{}',
  constraint incident_event_pkey primary key (id),
  constraint incident_event_incident_id_fkey foreign key (incident_id)
    references incident (id) on delete cascade
);
create index incident_event_incident_id_idx on incident_event (incident_id, id);
create table delivery (
  id bigint generated always as identity,
  project_id int not null,
  incident_id bigint not null,
  kind text not null,
  number int not null,
  channel text not null,
  message jsonb not null,
  status text not null default 'waiting',
  attempts int not null default 0,
  run_at timestamptz not null,
  leased_until timestamptz,
  created_at timestamptz not null,
  done_at timestamptz,
  error text,
  constraint delivery_pkey primary key (id),
  constraint delivery_incident_id_fkey foreign key (incident_id)
    references incident (id) on delete cascade,
  constraint delivery_message_key unique (incident_id, kind, number, channel),
  constraint delivery_status_check check (status in ('waiting', 'sent', 'failed'))
);
create index delivery_due_idx on delivery (run_at, id) where status = 'waiting';
"""


def upgrade() -> None:
    for part in (RUNS, ALERTS):
        op.execute(part)
