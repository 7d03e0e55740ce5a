sessions as (
  select l.label, coalesce(t.session_id, t.trace_id::text) as session,
    bool_or(t.counted -> 'm' ? '9') as thumbs, bool_or(t.counted -> 'm' ? '10') as escalations,
    bool_or(t.counted -> 'm' ? '11') as tickets, bool_or(t.counted -> 'm' ? '12') as overrides
  from trajectory t join labelled l on l.id = t.cohort_id
  where t.project_id = :project_id and t.day >= :day and t.counted is not null
    and t.first_at >= :since and t.first_at < :until
  group by 1, 2
)
select label, count(*) as sessions, count(*) filter (where thumbs) as thumbs,
  count(*) filter (where escalations) as escalations,
  count(*) filter (where tickets) as tickets, count(*) filter (where overrides) as overrides
from sessions group by label order by sessions desc, label
