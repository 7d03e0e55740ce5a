-- Before Postgres 18 the row as it was is read first, under the locks the caller holds.
with was as (
  select score.*
  from score join score_in using (trace_id, span_id, evaluator_id, started_at)
  where score.project_id = :project_id
),
put as (
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
  returning trace_id, span_id, started_at, evaluator_id, cohort_id, outcome, value
),
change as (
  select started_at, evaluator_id, cohort_id, outcome, value, 1 as by from put
  union all
  select was.started_at, was.evaluator_id, was.cohort_id, was.outcome, was.value, -1
  from put join was using (trace_id, span_id, evaluator_id, started_at)
),
