-- The seal itself covers sealed names, which the doctor cannot open; so each invoice is held against the two things that
-- were written with it and are never written again: its booking, and what was announced.
select e.tenant_id, 'inv' as kind, e.source_id::text as id,
       case when i.id is null then format('%s was booked for it, and it is not there', p.booked)
            else format('%s was booked when it was made final, and its total is %s', p.booked, i.total_minor) end as says
from tenant t
join ledger.entries e on e.tenant_id = t.tenant_id
cross join lateral (
    select coalesce(sum(p.amount_minor), 0) as booked from ledger.postings p
    where p.tenant_id = e.tenant_id and p.entry_id = e.id and p.account = 'receivable') p
left join invoicing.invoices i on i.tenant_id = e.tenant_id and i.id = e.source_id
where e.kind = 'invoice_finalized' and (i.total_minor, i.currency) is distinct from (p.booked, e.currency)
union all
select l.tenant_id, 'inv', l.payload ->> 'invoice_id',
       format('it was announced as %s over %s, and is %s over %s', l.payload ->> 'number',
              l.payload -> 'total' ->> 'minor', coalesce(i.number, 'not there'), i.total_minor)
from tenant t
join platform.log l on l.tenant_id = t.tenant_id
left join invoicing.invoices i on i.tenant_id = l.tenant_id and i.id = (l.payload ->> 'invoice_id')::uuid
where l.name = 'invoicing.invoice.finalized'
  and (i.number, i.total_minor)
      is distinct from (l.payload ->> 'number', (l.payload -> 'total' ->> 'minor')::bigint)
