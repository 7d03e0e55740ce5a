-- Before Postgres 18 the row as it was is read first, under the locks the caller holds.
with was as (
  select score.*
  from score join score_in using (trace_id, span_id, evaluator_id, started_at)
  where score.project_id = :project_id
),
versions as materialized (
  select one.id as older, other.id as newer
  from evaluator one join evaluator other
    on other.project_id = one.project_id and other.name = one.name and other.id > one.id
  where one.project_id = :project_id
    and one.name in (select name from evaluator where id in (select evaluator_id from score_in))
),
-- Of several versions that judged one step the newest counts.
outdated as materialized (
  select i.trace_id, i.span_id, i.evaluator_id, i.started_at
  from score_in i join versions v on v.older = i.evaluator_id
  where exists (
      select from score s
      where s.project_id = :project_id and s.trace_id = i.trace_id and s.span_id = i.span_id
        and s.evaluator_id = v.newer and s.started_at = i.started_at)
    or exists (
      select from score_in j
      where j.trace_id = i.trace_id and j.span_id = i.span_id and j.evaluator_id = v.newer
        and j.started_at = i.started_at)
),
put as (
  insert into score (
    project_id, trace_id, span_id, evaluator_id, started_at, cohort_id, outcome, value, label,
    explanation, evidence, scored_by, cost_usd, counts)
  select
    :project_id, trace_id, span_id, evaluator_id, started_at, cohort_id, outcome, value, label,
    explanation, evidence::jsonb, scored_by, cost_usd,
    (trace_id, span_id, evaluator_id, started_at) not in (select o.* from outdated o)
  from score_in
  order by trace_id, span_id, evaluator_id, started_at
  on conflict (project_id, trace_id, span_id, evaluator_id, started_at) do update set
    cohort_id = excluded.cohort_id, outcome = excluded.outcome, value = excluded.value,
    label = excluded.label, explanation = excluded.explanation, evidence = excluded.evidence,
    scored_by = excluded.scored_by, cost_usd = excluded.cost_usd, counts = excluded.counts,
    scored_at = now()
  where
    (score.cohort_id, score.outcome, score.value, score.label, score.explanation, score.counts)
    is distinct from (
      excluded.cohort_id, excluded.outcome, excluded.value, excluded.label, excluded.explanation,
      excluded.counts)
  returning trace_id, span_id, started_at, evaluator_id, cohort_id, outcome, value, counts
),
older as (
  update score s set counts = false
  from put join versions v on v.newer = put.evaluator_id
  where s.project_id = :project_id and s.trace_id = put.trace_id and s.span_id = put.span_id
    and s.evaluator_id = v.older and s.started_at = put.started_at and s.counts
    and not exists (
      select from score_in i
      where i.trace_id = s.trace_id and i.span_id = s.span_id and i.evaluator_id = s.evaluator_id
        and i.started_at = s.started_at)
  returning s.started_at, s.evaluator_id, s.cohort_id, s.outcome, s.value
),
change as (
  select started_at, evaluator_id, cohort_id, outcome, value, 1 as by from put where counts
  union all
  select was.started_at, was.evaluator_id, was.cohort_id, was.outcome, was.value, -1
  from put join was using (trace_id, span_id, evaluator_id, started_at)
  where was.counts
  union all
  select started_at, evaluator_id, cohort_id, outcome, value, -1 from older
),
