-- By what was billed, whichever invoices carry it: this survives a restore that gave invoices other ids.
select l.tenant_id, 'billed item' as kind, l.billed_item as id,
       format('the provider has collected it %s times, on the invoices %s', count(*),
              string_agg(distinct coalesce(i.number, '?'), ', ')) as says
from charge c
join tenant t on t.tenant_id = c.tenant_id
join invoicing.invoices i on i.tenant_id = c.tenant_id and i.id = c.invoice_id
join invoicing.lines l on l.tenant_id = i.tenant_id and l.invoice_id = i.id
where c.kept > 0 and c.at <= t.late_at and l.amount_minor > 0
group by l.tenant_id, l.billed_item
having count(*) > 1
