select c.tenant_id, case when p.id is null then 'business key' else 'pay' end as kind,
       coalesce(p.id::text, c.business_key) as id,
       format('the provider captured %s %s as %s, and here it is %s', c.amount, c.currency, c.ref,
              coalesce(p.status || ' with ' || p.amount_minor || ' ' || p.currency, 'unknown')) as says
from charge c
join tenant t on t.tenant_id = c.tenant_id
-- What a restore lost pays for another attempt than the one that it was asked for.
left join payments.found f on f.tenant_id = c.tenant_id and f.provider_ref = c.ref and f.business_key = c.business_key
left join payments.payments adopted on adopted.tenant_id = f.tenant_id and adopted.id = f.payment_id
left join payments.payments p
    on p.tenant_id = c.tenant_id and p.business_key = coalesce(adopted.business_key, c.business_key)
where c.at <= t.late_at
  -- What came in for something that was canceled here is recorded as that, and goes back.
  and (case when p.alert = 'paid_after_cancel' then 'succeeded' else p.status end, p.amount_minor, p.currency,
       p.provider_ref) is distinct from ('succeeded', c.amount, c.currency, c.ref)
union all
select g.tenant_id, 'ref', g.refund_id::text,
       format('the provider gave %s %s back as %s, and here it is %s', g.amount, g.code, g.ref,
              coalesce(r.status || ' with ' || r.amount_minor || ' ' || r.currency, 'unknown'))
from given_back g
join tenant t on t.tenant_id = g.tenant_id
-- What a restore lost is another refund here than the one that it was asked for.
left join payments.refunds s on s.tenant_id = g.tenant_id and s.provider_ref = g.ref and s.status = 'succeeded'
left join payments.refunds r on r.tenant_id = g.tenant_id and r.id = coalesce(s.id, g.refund_id)
where g.at <= t.late_at and (r.status, r.amount_minor, r.currency) is distinct from ('succeeded', g.amount, g.code)
