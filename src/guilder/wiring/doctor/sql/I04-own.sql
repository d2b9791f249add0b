-- The same by our own tables, which prove less: they know only what was recorded.
select i.tenant_id, 'inv' as kind, i.id::text as id,
       format('we have recorded %s as collected and kept for it, and it is %s over %s', m.kept, i.status, i.total_minor) as says
from (select p.tenant_id, p.invoice_id, sum(p.amount_minor - coalesce(r.given, 0)) as kept
      from tenant t
      join payments.payments p on p.tenant_id = t.tenant_id
      left join lateral (
          select sum(r.amount_minor) as given from payments.refunds r
          where r.tenant_id = p.tenant_id and r.payment_id = p.id
            and (r.status = 'succeeded' or (r.status = 'pending' and r.is_overpayment and r.asked_at > t.late_at))) r on true
      where p.status = 'succeeded' group by p.tenant_id, p.invoice_id) m
join invoicing.invoices i on i.tenant_id = m.tenant_id and i.id = m.invoice_id
where m.kept > case when i.status = 'void' then 0 else i.total_minor - least(i.credit_applied_minor, 0) end
