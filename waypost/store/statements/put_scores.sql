-- Postgres 18: the upsert itself says what the row was, so the counters are exact.
with put as (
  insert into score (
    project_id, trace_id, span_id, evaluator_id, started_at, cohort_id, outcome, value, label,
    explanation, evidence, scored_by, cost_usd)
  select
    :project_id, trace_id, span_id, evaluator_id, started_at, cohort_id, outcome, value, label,
    explanation, evidence::jsonb, scored_by, cost_usd
  from score_in
  order by trace_id, span_id, evaluator_id, started_at
  on conflict (project_id, trace_id, span_id, evaluator_id, started_at) do update set
    cohort_id = excluded.cohort_id, outcome = excluded.outcome, value = excluded.value,
    label = excluded.label, explanation = excluded.explanation, evidence = excluded.evidence,
    scored_by = excluded.scored_by, cost_usd = excluded.cost_usd, scored_at = now()
  where (score.cohort_id, score.outcome, score.value, score.label, score.explanation)
    is distinct from (
      excluded.cohort_id, excluded.outcome, excluded.value, excluded.label, excluded.explanation)
  returning
    new.started_at, new.evaluator_id, new.cohort_id, new.outcome, new.value,
    old.trace_id is not null as known, old.cohort_id as was_cohort_id,
    old.outcome as was_outcome, old.value as was_value
),
change as (
  select started_at, evaluator_id, cohort_id, outcome, value, 1 as by from put
  union all
  select started_at, evaluator_id, was_cohort_id, was_outcome, was_value, -1 from put where known
),
