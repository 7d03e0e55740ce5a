with put as (
  insert into content (project_id, trace_id, span_id, at, direction, hash, enc, body)
  select distinct on (trace_id, span_id, hash, at)
    :project_id, trace_id, span_id, at, direction, hash, enc, body
  from content_in
  order by trace_id, span_id, hash, at
  on conflict do nothing
  returning trace_id, at
)
insert into job (project_id, queue, trace_id, day, run_at)
select :project_id, 1, trace_id, min(at at time zone 'UTC')::date, now() + interval '400 ms'
from put
group by trace_id
order by trace_id
on conflict (project_id, queue, trace_id, span_id, evaluator_id) do update
set dirty = job.dirty + 1, day = least(job.day, excluded.day)
