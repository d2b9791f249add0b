select q.tenant_id, case q.kind when 'charge' then 'pay' else 'ref' end as kind, q.subject_id::text as id,
       format('the provider answered that it succeeded, and it is %s', coalesce(p.status, r.status, 'not there')) as says
from tenant t
join gateways.requests q on q.tenant_id = t.tenant_id
left join payments.payments p
    on q.kind = 'charge' and p.tenant_id = q.tenant_id and p.business_key = q.business_key
left join payments.refunds r on q.kind = 'refund' and r.tenant_id = q.tenant_id and r.id = q.subject_id
where q.kind in ('charge', 'refund') and q.outcome = 'succeeded' and q.requested_at <= t.late_at
  and coalesce(p.status, r.status) is distinct from 'succeeded' and p.alert is distinct from 'paid_after_cancel'
