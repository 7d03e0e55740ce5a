with hours as (
  delete from score_hour
  where project_id = :project_id
    and bucket >= date_trunc('day', cast(:since as timestamptz), 'UTC')
)
delete from score_day
where project_id = :project_id
  and bucket >= date_trunc('day', cast(:since as timestamptz), 'UTC')
