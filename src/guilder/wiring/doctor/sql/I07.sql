select i.tenant_id, 'inv' as kind, i.id::text as id,
       case when i.paid_minor > m.paid
            then format('%s is noted as paid, and its payments come to %s', i.paid_minor, m.paid)
            else format('it is %s with %s paid, %s credited and %s of credit applied of %s', i.status, i.paid_minor,
                        i.credited_minor, i.credit_applied_minor, i.total_minor) end as says
from tenant t
join invoicing.invoices i on i.tenant_id = t.tenant_id
cross join lateral (
    select coalesce(sum(p.amount_minor), 0) as paid from payments.payments p
    where p.tenant_id = i.tenant_id and p.invoice_id = i.id and p.status = 'succeeded' and not p.is_overpayment) m
where i.paid_minor > m.paid
   or (i.kind = 'invoice' and i.status = 'paid'
       and i.paid_minor + i.credited_minor + i.credit_applied_minor < i.total_minor)
   or (i.status = 'open' and i.paid_minor + i.credited_minor + i.credit_applied_minor >= i.total_minor)
