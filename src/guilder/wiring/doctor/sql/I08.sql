select p.tenant_id, 'pay' as kind, p.id::text as id,
       format('%s %s are given back of it or on their way, and it is %s with %s %s', r.given, r.currency, p.status,
              p.amount_minor, p.currency) as says
from tenant t
join payments.payments p on p.tenant_id = t.tenant_id
join lateral (
    select r.currency, sum(r.amount_minor) as given from payments.refunds r
    where r.tenant_id = p.tenant_id and r.payment_id = p.id and r.status in ('pending', 'succeeded')
    group by r.currency) r on true
where p.status <> 'succeeded' or r.given > p.amount_minor or r.currency <> p.currency
