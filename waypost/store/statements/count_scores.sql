hours as (
  insert into score_hour
    (project_id, bucket, cohort_id, evaluator_id, n, n_fail, n_abstain, value_sum)
  select
    :project_id, date_trunc('hour', started_at, 'UTC'), cohort_id, evaluator_id,
    coalesce(sum(by) filter (where outcome in (0, 1)), 0),
    coalesce(sum(by) filter (where outcome = 0), 0),
    coalesce(sum(by) filter (where outcome = 2), 0),
    coalesce(sum(by * value::float8) filter (where outcome in (0, 1)), 0)
  from change
  group by 2, 3, 4
  order by 2, 3, 4
  on conflict (project_id, bucket, cohort_id, evaluator_id) do update set
    n = score_hour.n + excluded.n, n_fail = score_hour.n_fail + excluded.n_fail,
    n_abstain = score_hour.n_abstain + excluded.n_abstain,
    value_sum = score_hour.value_sum + excluded.value_sum
),
days as (
  insert into score_day
    (project_id, bucket, cohort_id, evaluator_id, n, n_fail, n_abstain, value_sum)
  select
    :project_id, date_trunc('day', started_at, 'UTC'), cohort_id, evaluator_id,
    coalesce(sum(by) filter (where outcome in (0, 1)), 0),
    coalesce(sum(by) filter (where outcome = 0), 0),
    coalesce(sum(by) filter (where outcome = 2), 0),
    coalesce(sum(by * value::float8) filter (where outcome in (0, 1)), 0)
  from change
  group by 2, 3, 4
  order by 2, 3, 4
  on conflict (project_id, bucket, cohort_id, evaluator_id) do update set
    n = score_day.n + excluded.n, n_fail = score_day.n_fail + excluded.n_fail,
    n_abstain = score_day.n_abstain + excluded.n_abstain,
    value_sum = score_day.value_sum + excluded.value_sum
)
select count(*) as written from put
