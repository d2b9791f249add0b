-- References that cannot be foreign keys, because they point upward or at one of several tables. Those that can are held
-- by the database, and I27b looks that they are whole.
select r.tenant_id, r.kind, r.id::text as id, format('%s that is not in its tenant', r.what) as says
from tenant t
cross join lateral (
    select p.tenant_id, 'pay' as kind, p.id, 'it is for an invoice' as what from payments.payments p
    where p.tenant_id = t.tenant_id
      and not exists (select from invoicing.invoices i
                      where i.tenant_id = p.tenant_id and i.id = p.invoice_id and i.customer_id = p.customer_id)
    union all
    select r.tenant_id, 'ref', r.id, 'it is of a payment' from payments.refunds r
    where r.tenant_id = t.tenant_id
      and not exists (select from payments.payments p
                      where p.tenant_id = r.tenant_id and p.id = r.payment_id
                        and (p.invoice_id, p.customer_id) = (r.invoice_id, r.customer_id))
    union all
    select l.tenant_id, 'inv', l.invoice_id, 'it has a line of a subscription' from invoicing.lines l
    where l.tenant_id = t.tenant_id and l.subscription_id is not null
      and not exists (select from subscriptions.subscriptions s
                      where s.tenant_id = l.tenant_id and s.id = l.subscription_id)
    union all
    select i.tenant_id, 'inv', i.id, 'it was made for an order' from invoicing.invoices i
    where i.tenant_id = t.tenant_id and i.order_id is not null
      and not exists (select from orders.orders o where o.tenant_id = i.tenant_id and o.id = i.order_id)
    union all
    select g.tenant_id, 'grant', g.source_id, 'it comes from a ' || g.kind from entitlements.grants g
    where g.tenant_id = t.tenant_id
      and not exists (select from subscriptions.subscriptions s
                      where s.tenant_id = g.tenant_id and s.id = g.source_id and s.customer_id = g.customer_id)
      and not exists (select from orders.orders o
                      where o.tenant_id = g.tenant_id and o.id = g.source_id and o.customer_id = g.customer_id)
    union all
    select p.tenant_id, 'entry', p.entry_id, 'it is the receivable of an invoice' from ledger.postings p
    where p.tenant_id = t.tenant_id and p.account = 'receivable'
      and not exists (select from invoicing.invoices i where i.tenant_id = p.tenant_id and i.id = p.ref_id)) r
