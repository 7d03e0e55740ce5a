counted as (
  select cohort_id, measure, sum(n) as n, sum(total) as total
  from (
    select cohort_id, measure, n, total from run_hour
    where project_id = :project_id and bucket >= :since and bucket < :first
    union all
    select cohort_id, measure, n, total from run_day
    where project_id = :project_id and bucket >= :first and bucket < :last
    union all
    select cohort_id, measure, n, total from run_hour
    where project_id = :project_id and bucket >= :last and bucket < :until) as every
  where cast(:measures as int[]) is null or measure = any(cast(:measures as int[]))
  group by cohort_id, measure
)
select l.label, c.measure, sum(c.n) as n, sum(c.total) as total
from counted c join labelled l on l.id = c.cohort_id
group by l.label, c.measure
