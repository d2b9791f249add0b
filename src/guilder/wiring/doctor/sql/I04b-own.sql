select l.tenant_id, 'billed item' as kind, l.billed_item as id,
       format('it is paid by %s payments that were kept, on the invoices %s', count(*),
              string_agg(distinct coalesce(i.number, '?'), ', ')) as says
from tenant t
join payments.payments p on p.tenant_id = t.tenant_id
join invoicing.invoices i on i.tenant_id = p.tenant_id and i.id = p.invoice_id
join invoicing.lines l on l.tenant_id = i.tenant_id and l.invoice_id = i.id
where p.status = 'succeeded' and not p.is_overpayment and l.amount_minor > 0
  and p.amount_minor > (select coalesce(sum(r.amount_minor), 0) from payments.refunds r
                        where r.tenant_id = p.tenant_id and r.payment_id = p.id and r.status = 'succeeded')
group by l.tenant_id, l.billed_item
having count(*) > 1
