-- What is billed when it is over is billed when it is due: a fee in arrears, and use after its grace period.
select g.tenant_id, 'sub' as kind, g.subscription_id::text as id,
       format('%s from %s to %s was due at %s, and is not billed',
              case g.kind when 'fee' then 'its fee' else 'its use' end, g.period_start, g.period_end, g.due_at) as says
from tenant t
join subscriptions.segments g on g.tenant_id = t.tenant_id
where t.status = 'active' and g.billed_at is null and g.due_at <= t.late_at
