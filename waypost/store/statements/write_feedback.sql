with put as (
  insert into feedback (
    project_id, key, at, trace_id, span_id, session_id, response_id, name, detail)
  select distinct on (key, at)
    :project_id, key, at, trace_id, span_id, session_id, response_id, name, detail::jsonb
  from feedback_in
  order by key, at
  on conflict do nothing
  returning trace_id, at
)
insert into job (project_id, queue, trace_id, day, run_at)
select :project_id, 1, trace_id, min(at at time zone 'UTC')::date, now() + interval '400 ms'
from put
where trace_id is not null
group by trace_id
order by trace_id
on conflict (project_id, queue, trace_id, span_id, evaluator_id) do update
set dirty = job.dirty + 1, day = least(job.day, excluded.day)
