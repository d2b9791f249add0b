-- Use that came late, and that a subscription has seen, is in what was billed of the time that it is dated in.
select g.tenant_id, 'sub' as kind, g.subscription_id::text as id,
       format('late use %s of %s was seen, and the use billed from %s was not rated again', l.id, l.at, g.period_start)
           as says
from tenant t
join invoicing.use_seen u on u.tenant_id = t.tenant_id
join subscriptions.segments g on g.tenant_id = u.tenant_id and g.subscription_id = u.subscription_id
join usage.late l on l.tenant_id = g.tenant_id and l.customer_id = g.customer_id
where g.kind = 'usage' and g.billed_at is not null and l.at >= g.period_start and l.at < g.period_end
  and l.id <= u.late_number and l.id > g.late_seen
