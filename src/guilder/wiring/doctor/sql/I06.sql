-- A journal was read before this database was, so what came in just now may not be in it yet.
select p.tenant_id, 'pay' as kind, p.id::text as id,
       format('it succeeded here with %s %s as %s, and the provider knows of no such charge', p.amount_minor, p.currency,
              coalesce(nullif(p.provider_ref, ''), 'nothing')) as says
from tenant t
join payments.payments p on p.tenant_id = t.tenant_id
join journal on p.gateway = journal.gateway
where p.status = 'succeeded' and p.settled_at <= t.late_at
  and not exists (select from charge c
                  where c.tenant_id = p.tenant_id and c.ref = p.provider_ref
                    and c.amount = p.amount_minor and c.currency = p.currency
                    -- What a restore lost bears the key of the attempt that was lost.
                    and (c.business_key = p.business_key
                         or exists (select from payments.found f
                                    where f.tenant_id = p.tenant_id and f.payment_id = p.id
                                      and f.business_key = c.business_key)))
union all
select r.tenant_id, 'ref', r.id::text,
       format('it succeeded here with %s %s, and the provider knows of no such refund', r.amount_minor, r.currency)
from tenant t
join payments.refunds r on r.tenant_id = t.tenant_id
join payments.payments p on p.tenant_id = r.tenant_id and p.id = r.payment_id
join journal on p.gateway = journal.gateway
where r.status = 'succeeded' and r.settled_at <= t.late_at
  and not exists (select from given_back g
                  where g.tenant_id = r.tenant_id and g.refund_id = r.id and g.amount = r.amount_minor
                    and g.code = r.currency)
  -- What a restore lost bears the key of the refund that was lost; what somebody made at the provider bears none.
  and not exists (select from given_back g
                  where coalesce(g.tenant_id, r.tenant_id) = r.tenant_id and g.ref = r.provider_ref and g.amount = r.amount_minor
                    and g.code = r.currency)
