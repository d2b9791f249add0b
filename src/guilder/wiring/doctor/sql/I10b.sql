select i.tenant_id, 'inv' as kind, i.id::text as id,
       format('%s of it is deferred in the books, and %s of its lines is yet to be earned', -b.deferred, l.to_earn) as says
from tenant t
join invoicing.invoices i on i.tenant_id = t.tenant_id
cross join lateral (
    select coalesce(sum(p.amount_minor), 0) as deferred from ledger.postings p
    where p.tenant_id = i.tenant_id and p.ref_id = i.id and p.account = 'deferred_revenue') b
cross join lateral (
    select coalesce(sum(l.amount_minor), 0) as to_earn from invoicing.lines l
    where l.tenant_id = i.tenant_id and l.invoice_id = i.id and l.recognize_at is not null
      and l.recognized_at is null) l
where i.status <> 'draft' and -b.deferred <> l.to_earn
