select n.tenant_id, 'call' as kind, n.id::text as id,
       format('%s to %s %s since %s', n.kind, n.destination,
              case when n.is_leased then 'was begun and neither ended nor taken over'
                   else 'is due and nobody makes it' end, n.due_at) as says
from wall w, tenant t
join platform.intents n on n.tenant_id = t.tenant_id
where n.state = 'waiting' and n.due_at <= w.late_at
