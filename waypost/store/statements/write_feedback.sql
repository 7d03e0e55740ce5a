with put as (
  insert into feedback (
    project_id, key, at, trace_id, span_id, session_id, response_id, name, detail)
  select distinct on (key, at)
    :project_id, key, at, trace_id, span_id, session_id, response_id, name, detail::jsonb
  from feedback_in
  order by key, at
  on conflict do nothing
  returning trace_id, session_id, at
),
-- A word on a session is settled with the run it belongs to, as `verdicts` reads it.
meant as (
  select trace_id, at from put where trace_id is not null
  union all
  select t.trace_id, t.first_at
  from put
  cross join lateral (
    (select 0 as after, trace_id, first_at from trajectory
     where project_id = :project_id and session_id = put.session_id and first_at <= put.at
       and day >= (put.at at time zone 'UTC')::date - 8
     order by first_at desc limit 1)
    union all
    (select 1, trace_id, first_at from trajectory
     where project_id = :project_id and session_id = put.session_id and first_at > put.at
       and day <= (put.at at time zone 'UTC')::date + 8
     order by first_at limit 1)
    order by after limit 1) as t
  where put.trace_id is null
)
insert into job (project_id, queue, trace_id, day, run_at)
select :project_id, 1, trace_id, min(at at time zone 'UTC')::date, now() + interval '400 ms'
from meant
group by trace_id
order by trace_id
on conflict (project_id, queue, trace_id, span_id, evaluator_id) do update
set dirty = job.dirty + 1, day = least(job.day, excluded.day)
