-- What a later reading makes of spans that are stored; inputs and outputs they have stay, because
-- those of other steps may be based on them.
with put as (
  update step set
    kind = step_in.kind, status = step_in.status, name = step_in.name, tool = step_in.tool,
    model = step_in.model, prompt_version = step_in.prompt_version,
    tokens_in = step_in.tokens_in, tokens_out = step_in.tokens_out,
    cost_usd = step_in.cost_usd, enc = step_in.enc, detail = step_in.detail,
    add = coalesce(step.add, step_in.add), sum = coalesce(step.sum, step_in.sum),
    output = coalesce(step.output, step_in.output)
  from step_in
  where step.project_id = :project_id and step.trace_id = step_in.trace_id
    and step.span_id = step_in.span_id and step.started_at = step_in.started_at
  returning step.trace_id, step_in.day
)
insert into job (project_id, queue, trace_id, day, run_at)
select :project_id, 1, trace_id, min(day), now()
from put
group by trace_id
order by trace_id
on conflict (project_id, queue, trace_id, span_id, evaluator_id) do update
set dirty = job.dirty + 1, day = least(job.day, excluded.day)
