insert into message (project_id, trace_id, day, hash, enc, body)
select :project_id, trace_id, day, hash, enc, body
from message_in
order by trace_id, day, hash
on conflict do nothing
