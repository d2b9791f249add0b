-- An excess has the time given to go back by itself.
select c.tenant_id, 'inv' as kind, c.invoice_id::text as id,
       case when i.id is null then format('the provider keeps %s for it, and there is no such invoice', c.kept)
            else format('the provider keeps %s for it, and it is %s over %s', c.kept, i.status, i.total_minor) end as says
from (select c.tenant_id, c.invoice_id, sum(c.kept) as kept
      from charge c join tenant t on t.tenant_id = c.tenant_id
      where c.at <= t.late_at group by c.tenant_id, c.invoice_id) c
left join invoicing.invoices i on i.tenant_id = c.tenant_id and i.id = c.invoice_id
where c.kept > case when i.status = 'void' then 0 else coalesce(i.total_minor - least(i.credit_applied_minor, 0), 0) end
