-- A credit note's has gone to an invoice or to the customer's credit. Taken from the payments, not from what invoicing has heard of them: they are booked together.
select i.tenant_id, 'inv' as kind, i.id::text as id,
       format('its receivable is %s in the books; being %s, it should be %s', b.receivable, i.status, x.expected) as says
from tenant t
join invoicing.invoices i on i.tenant_id = t.tenant_id
cross join lateral (
    select coalesce(sum(p.amount_minor), 0) as receivable from ledger.postings p
    where p.tenant_id = i.tenant_id and p.ref_id = i.id and p.account = 'receivable') b
cross join lateral (
    select coalesce(sum(p.amount_minor - coalesce(r.returned, 0) - coalesce(d.lost, 0)), 0) as came_in
    from payments.payments p
    left join lateral (
        select sum(r.amount_minor) as returned from payments.refunds r
        where r.tenant_id = p.tenant_id and r.payment_id = p.id and r.status = 'succeeded' and r.is_overpayment) r on true
    -- What paid nothing and was lost to a bank is off its receivable, as its return would have been.
    left join lateral (
        select sum(d.amount_minor) as lost from payments.disputes d
        where d.tenant_id = p.tenant_id and d.payment_id = p.id and d.status = 'lost'
          and (p.is_overpayment or p.alert = 'paid_after_cancel')) d on true
    where p.tenant_id = i.tenant_id and p.invoice_id = i.id
      and (p.status = 'succeeded' or (p.alert = 'paid_after_cancel' and p.account_id is not null))) m
cross join lateral (
    select case when i.kind = 'invoice' and i.status in ('open', 'paid')
                then i.total_minor - i.credited_minor - i.credit_applied_minor
                -- What was given up keeps what credit paid of it and credit notes took; a write-off took the rest.
                else 0 end - m.came_in
        as expected) x
where i.status <> 'draft' and b.receivable <> x.expected
