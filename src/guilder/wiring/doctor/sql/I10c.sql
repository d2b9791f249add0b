-- What is below zero is owed by the customer: it was too little to collect, and comes with the next invoice.
with used as (
    select u.tenant_id, u.credit_id, sum(u.amount_minor) as amount
    from tenant t join invoicing.credit_uses u on u.tenant_id = t.tenant_id
    where u.returned_at is null group by u.tenant_id, u.credit_id
), booked as (
    select e.tenant_id, p.ref_id as customer_id, p.currency, -sum(p.amount_minor) as owed
    from tenant t
    join ledger.entries e on e.tenant_id = t.tenant_id
    join ledger.postings p on p.tenant_id = e.tenant_id and p.entry_id = e.id
    where p.account = 'customer_credit' and e.kind like 'credit\_%' group by e.tenant_id, p.ref_id, p.currency
), held as (
    select c.tenant_id, c.customer_id, c.currency, sum(c.left_minor) as left_over
    from tenant t join invoicing.credits c on c.tenant_id = t.tenant_id
    group by c.tenant_id, c.customer_id, c.currency
)
select c.tenant_id, 'credit' as kind, c.id::text as id,
       format('%s is left of %s, of which %s was used', c.left_minor, c.amount_minor, coalesce(u.amount, 0)) as says
from tenant t
join invoicing.credits c on c.tenant_id = t.tenant_id
left join used u on u.tenant_id = c.tenant_id and u.credit_id = c.id
where c.left_minor <> c.amount_minor - coalesce(u.amount, 0)
union all
select tenant_id, 'cus', customer_id::text,
       format('%s %s of credit is owed in the books, and %s is left', coalesce(b.owed, 0), currency,
              coalesce(h.left_over, 0))
from held h full join booked b using (tenant_id, customer_id, currency)
where coalesce(h.left_over, 0) <> coalesce(b.owed, 0)
union all
select i.tenant_id, 'inv', i.id::text,
       format('%s of credit is noted on it, and %s was used for it', i.credit_applied_minor, coalesce(x.used, 0))
from tenant t
join invoicing.invoices i on i.tenant_id = t.tenant_id
left join lateral (
    select (coalesce((select sum(u.amount_minor) from invoicing.credit_uses u
                      where u.tenant_id = i.tenant_id and u.invoice_id = i.id and u.returned_at is null), 0)
            - coalesce((select sum(c.amount_minor) from invoicing.credits c
                        where c.tenant_id = i.tenant_id and c.source_invoice_id = i.id), 0)
           ) as used) x on true
where i.kind = 'invoice' and i.credit_applied_minor <> coalesce(x.used, 0)
