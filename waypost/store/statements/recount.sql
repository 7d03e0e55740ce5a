with hours as (
  insert into score_hour
    (project_id, bucket, cohort_id, evaluator_id, n, n_fail, n_abstain, value_sum)
  select
    project_id, date_trunc('hour', started_at, 'UTC'), cohort_id, evaluator_id,
    count(*) filter (where outcome in (0, 1)), count(*) filter (where outcome = 0),
    count(*) filter (where outcome = 2),
    coalesce(sum(value::float8) filter (where outcome in (0, 1)), 0)
  from score
  where project_id = :project_id and counts
    and started_at >= date_trunc('day', cast(:since as timestamptz), 'UTC')
  group by 1, 2, 3, 4
  order by 2 -- a window is read from few pages when hours lie together
  returning project_id, bucket, cohort_id, evaluator_id, n, n_fail, n_abstain, value_sum
),
days as (
  insert into score_day
    (project_id, bucket, cohort_id, evaluator_id, n, n_fail, n_abstain, value_sum)
  select
    project_id, date_trunc('day', bucket, 'UTC'), cohort_id, evaluator_id,
    sum(n), sum(n_fail), sum(n_abstain), sum(value_sum)
  from hours
  group by 1, 2, 3, 4
  order by 2
)
select count(*) from hours
