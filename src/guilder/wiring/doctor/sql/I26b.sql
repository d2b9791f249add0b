select l.tenant_id, 'evt' as kind, l.event_id::text as id,
       format('%s was announced at %s, and endpoint %s, which asks for it, has no message of it',
              l.name, l.occurred_at, e.id) as says
from wall w, tenant t
join webhooks.endpoints e on e.tenant_id = t.tenant_id and e.disabled_at is null and e.deleted_at is null
join platform.log l on l.tenant_id = t.tenant_id
-- What happened since the endpoint asks for what it asks for (a minute later: its own commit took a while).
where l.occurred_at > e.configured_at + interval '1 minute' and l.recorded_at <= w.late_at
  and l.name not like 'webhooks.%' and l.topic not in ('audit.calls', 'audit.rows')
  and exists (select from unnest(e.events) p
              where p = '*' or p = l.name or (p like '%.*' and starts_with(l.name, left(p, -1))))
  and not exists (select from webhooks.messages m
                  where (m.tenant_id, m.endpoint_id, m.event_id) = (l.tenant_id, e.id, l.event_id))
union all
select m.tenant_id, 'msg', m.id::text,
       format('%s is to be sent to endpoint %s since %s, and nothing is going to send it',
              m.event_name, m.endpoint_id, m.created_at)
from tenant t
join webhooks.messages m on m.tenant_id = t.tenant_id
where m.status = 'pending' and m.created_at <= t.late_at and m.due_at is null
  and not exists (select from platform.intents i
                  where i.tenant_id = m.tenant_id and i.kind = 'webhook.send' and i.subject_id = m.id
                    and i.state = 'waiting')
  -- Behind the first of its line, which is the one to be missed.
  and not exists (select from webhooks.messages f
                  where (f.tenant_id, f.endpoint_id, f.line) = (m.tenant_id, m.endpoint_id, m.line)
                    and f.status = 'pending' and f.first_ended_at is null and f.sequence < m.sequence
                    and m.first_ended_at is null)
union all
select m.tenant_id, 'msg', m.id::text,
       format('it is noted as delivered to endpoint %s, and no attempt was answered 2xx', m.endpoint_id)
from tenant t
join webhooks.messages m on m.tenant_id = t.tenant_id
where m.status = 'delivered'
  and not exists (select from webhooks.attempts a
                  where (a.tenant_id, a.message_id) = (m.tenant_id, m.id) and a.status between 200 and 299)
