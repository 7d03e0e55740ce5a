-- Steps once, the summary from what was really new, and one job a trace.
-- A finished span replaces its own start marker (and is `marked`, as its step is counted already); everything else that comes twice changes nothing.
with put as (
  insert into step (
    project_id, trace_id, span_id, started_at, parent_id, started_ns, duration_ns, kind, status,
    marker, name, tool, model, prompt_version, tokens_in, tokens_out, cost_usd, base_id, keep,
    add, sum, output, enc, detail)
  select
    :project_id, trace_id, span_id, started_at, parent_id, started_ns, duration_ns, kind, status,
    marker, name, tool, model, prompt_version, tokens_in, tokens_out, cost_usd, base_id, keep,
    add, sum, output, enc, detail
  from step_in
  order by trace_id, span_id, started_at
  on conflict (project_id, trace_id, span_id, started_at) do update set
    parent_id = excluded.parent_id, duration_ns = excluded.duration_ns, kind = excluded.kind,
    status = excluded.status, marker = false, marked = true, name = excluded.name, tool = excluded.tool,
    model = excluded.model, prompt_version = excluded.prompt_version,
    tokens_in = excluded.tokens_in, tokens_out = excluded.tokens_out,
    cost_usd = excluded.cost_usd, base_id = excluded.base_id, keep = excluded.keep,
    add = excluded.add, sum = excluded.sum, output = excluded.output, enc = excluded.enc,
    detail = excluded.detail
  where step.marker and not excluded.marker
  returning trace_id, span_id, started_at, not marked as fresh
),
new as (
  select step_in.*, put.fresh
  from put join step_in using (trace_id, span_id, started_at)
),
summed as (
  insert into trajectory (
    project_id, trace_id, day, trajectory_id, first_at, last_at, root_ended, name, agent,
    session_id, user_id, service, environment, model, prompt_version, steps, errors, tokens_in,
    tokens_out, tokens_cached, tokens_partial, cost_usd, cost_partial)
  select
    :project_id, trace_id, day, min(trajectory_id::text)::uuid, min(started_at), max(ended_at),
    bool_or(root), min(root_name), min(agent), min(session_id), min(user_id), min(service),
    min(environment), min(model), min(prompt_version),
    count(*) filter (where is_step and fresh), count(*) filter (where is_error),
    coalesce(sum(tokens_in) filter (where is_model), 0),
    coalesce(sum(tokens_out) filter (where is_model), 0),
    sum(tokens_cached), bool_or(tokens_partial),
    coalesce(sum(cost_usd) filter (where is_model), 0), bool_or(cost_partial)
  from new
  group by trace_id, day
  order by trace_id, day
  on conflict (project_id, trace_id, day) do update set
    trajectory_id = case
      when trajectory.trajectory_id = trajectory.trace_id then excluded.trajectory_id
      else trajectory.trajectory_id end,
    first_at = least(trajectory.first_at, excluded.first_at),
    last_at = greatest(trajectory.last_at, excluded.last_at),
    root_ended = trajectory.root_ended or excluded.root_ended,
    settled_at = null,
    name = least(trajectory.name, excluded.name),
    agent = least(trajectory.agent, excluded.agent),
    session_id = least(trajectory.session_id, excluded.session_id),
    user_id = least(trajectory.user_id, excluded.user_id),
    service = least(trajectory.service, excluded.service),
    environment = least(trajectory.environment, excluded.environment),
    model = least(trajectory.model, excluded.model),
    prompt_version = least(trajectory.prompt_version, excluded.prompt_version),
    steps = trajectory.steps + excluded.steps,
    errors = trajectory.errors + excluded.errors,
    tokens_in = trajectory.tokens_in + excluded.tokens_in,
    tokens_out = trajectory.tokens_out + excluded.tokens_out,
    tokens_cached = trajectory.tokens_cached + excluded.tokens_cached,
    tokens_partial = trajectory.tokens_partial or excluded.tokens_partial,
    cost_usd = trajectory.cost_usd + excluded.cost_usd,
    cost_partial = trajectory.cost_partial or excluded.cost_partial
  returning 1
),
-- After the summary, because a worker locks a run and then its job: whoever did it the other way round would wait for it, and it for them.
queued as (
  insert into job (project_id, queue, trace_id, day, run_at)
  select :project_id, 1, trace_id, min(day), now() + interval '400 ms'
  from new, (select count(*) from summed) as first
  group by trace_id
  order by trace_id
  on conflict (project_id, queue, trace_id, span_id, evaluator_id) do update
  set dirty = job.dirty + 1, day = least(job.day, excluded.day)
)
select count(*) as stored from put
