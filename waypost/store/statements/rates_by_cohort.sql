counted as (
  select cohort_id, evaluator_id, sum(n) as n, sum(n_fail) as k, sum(n_abstain) as abstained,
    sum(value_sum) as total
  from (
    select cohort_id, evaluator_id, n, n_fail, n_abstain, value_sum from score_hour
    where project_id = :project_id and bucket >= :since and bucket < :first
    union all
    select cohort_id, evaluator_id, n, n_fail, n_abstain, value_sum from score_day
    where project_id = :project_id and bucket >= :first and bucket < :last
    union all
    select cohort_id, evaluator_id, n, n_fail, n_abstain, value_sum from score_hour
    where project_id = :project_id and bucket >= :last and bucket < :until) as every
  group by cohort_id, evaluator_id
)
select e.name, l.label, sum(c.n)::int8 as n, sum(c.k)::int8 as k,
  sum(c.abstained)::int8 as abstained, sum(c.total) as total
from counted c
join labelled l on l.id = c.cohort_id
join evaluator e on e.id = c.evaluator_id and e.project_id = :project_id
where cast(:evaluators as text[]) is null or e.name = any(cast(:evaluators as text[]))
group by e.name, l.label
having sum(c.n) + sum(c.abstained) > 0
