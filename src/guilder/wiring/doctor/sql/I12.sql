select i.tenant_id, 'inv' as kind, i.id::text as id,
       format('it is in %s, and %s in %s', i.currency, min(o.what), min(o.currency)) as says
from tenant t
join invoicing.invoices i on i.tenant_id = t.tenant_id
cross join lateral (
    select 'a line' as what, l.currency from invoicing.lines l
    where l.tenant_id = i.tenant_id and l.invoice_id = i.id
    union all
    select 'a payment', p.currency from payments.payments p
    where p.tenant_id = i.tenant_id and p.invoice_id = i.id
    union all
    select 'its subscription', s.currency from subscriptions.subscriptions s
    where s.tenant_id = i.tenant_id and s.id = i.subscription_id
    union all
    select 'its booking', p.currency from ledger.postings p
    where p.tenant_id = i.tenant_id and p.ref_id = i.id) o
where o.currency <> i.currency
group by i.tenant_id, i.id, i.currency
