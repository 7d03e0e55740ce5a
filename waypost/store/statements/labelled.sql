-- The cohorts that are asked for, each under the values of the keys that are asked for.
with labelled as (
  select id, array(
    select coalesce(attrs ->> key, '')
    from unnest(cast(:keys as text[])) with ordinality as k (key, place) order by place
  ) as label
  from cohort
  where project_id = :project_id and attrs @> cast(:has as jsonb)
    and not jsonb_exists_any(attrs, cast(:lacks as text[]))
    and coalesce(attrs ->> 'environment', '') <> all(cast(:left_out as text[]))
),
