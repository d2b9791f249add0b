select p.tenant_id, 'pay' as kind, p.id::text as id,
       'it succeeded, and nothing was ever asked of a provider with its key and amount' as says
from tenant t
join payments.payments p on p.tenant_id = t.tenant_id
where p.status = 'succeeded'
  and (p.provider_ref = '' or not exists (
      select from gateways.requests q
      where q.tenant_id = p.tenant_id and q.kind = 'charge' and q.business_key = p.business_key
        and q.amount_minor = p.amount_minor and q.currency = p.currency)
      -- What a restore lost was asked for under a key that nobody here knows any more.
      and not exists (
      select from payments.found f
      where f.tenant_id = p.tenant_id and f.payment_id = p.id and f.provider_ref = p.provider_ref
        and f.amount_minor = p.amount_minor and f.currency = p.currency))
