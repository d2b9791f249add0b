select n.tenant_id, 'msg' as kind, n.id::text as id,
       format('%s by %s was to be told at %s, and %s', n.kind, n.channel, n.created_at,
              case when exists (select from platform.intents i
                                where i.tenant_id = n.tenant_id and i.subject_id = n.id and i.state = 'dead')
                   then 'its call was given up' else 'nothing is going to send it' end) as says
from tenant t
join notifications.notifications n on n.tenant_id = t.tenant_id
where n.status = 'pending' and n.created_at <= t.late_at
  and not exists (select from platform.intents i
                  where i.tenant_id = n.tenant_id and i.subject_id = n.id and i.state = 'waiting')
