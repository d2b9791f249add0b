-- A refund that comes with a credit note has one of what went back, or of what was left to be credited; and what notes
-- document of an invoice went back.
select i.tenant_id, 'inv' as kind, i.id::text as id,
       format('its notes document %s as given back before, and refunds and banks took %s', i.documented_minor, m.gone)
           as says
from tenant t
join invoicing.invoices i on i.tenant_id = t.tenant_id and i.documented_minor > 0
cross join lateral (
    select coalesce(sum(b.gone), 0) as gone from payments.payments p
    cross join lateral (
        select coalesce((select sum(r.amount_minor) from payments.refunds r
                         where r.tenant_id = p.tenant_id and r.payment_id = p.id and r.status = 'succeeded'
                           and not r.is_pay_out), 0)
             + coalesce((select sum(d.amount_minor) from payments.disputes d
                         where d.tenant_id = p.tenant_id and d.payment_id = p.id and d.status = 'lost'), 0) as gone) b
    where p.tenant_id = i.tenant_id and p.invoice_id = i.id and p.status = 'succeeded' and not p.is_overpayment) m
where i.documented_minor > m.gone
union all
select r.tenant_id, 'ref', r.id::text, format('%s went back with a credit note, and there is none', r.amount_minor)
from tenant t
join payments.refunds r on r.tenant_id = t.tenant_id
join invoicing.invoices i on i.tenant_id = r.tenant_id and i.id = r.invoice_id
where r.credit_note = 'full' and r.status = 'succeeded' and r.settled_at <= t.late_at and not r.is_overpayment
  and i.status in ('open', 'paid')
  and i.total_minor > coalesce((select -sum(n.total_minor) from invoicing.invoices n
                                where n.tenant_id = i.tenant_id and n.corrects_invoice_id = i.id
                                  and n.kind = 'credit_note' and n.status <> 'void'), 0)
  and not exists (select from invoicing.lines l
                  where l.tenant_id = r.tenant_id and l.billed_item like 'note:' || r.id::text || ':%')
