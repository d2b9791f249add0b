select b.tenant_id, 'pay' as kind, b.id::text as id,
       format('it is attempt %s, and attempt %s of its invoice is still %s', b.attempt, a.attempt, a.status) as says
from tenant t
join payments.payments a on a.tenant_id = t.tenant_id
join payments.payments b on b.tenant_id = a.tenant_id and b.invoice_id = a.invoice_id and b.attempt > a.attempt
where a.status not in ('declined', 'canceled', 'succeeded')
