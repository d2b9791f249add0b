-- One live invoice holds each thing that is billed, and a void one none.
select i.tenant_id, 'inv' as kind, i.id::text as id,
       case when i.status = 'void' then format('it is void, and still holds %s', l.billed_item)
            when b.invoice_id is null then format('it bills %s without holding it', l.billed_item)
            else format('it bills %s, which invoice %s bills', l.billed_item, o.number) end as says
from tenant t
join invoicing.lines l on l.tenant_id = t.tenant_id
join invoicing.invoices i on i.tenant_id = l.tenant_id and i.id = l.invoice_id
left join invoicing.billed_items b on b.tenant_id = l.tenant_id and b.billed_item = l.billed_item
left join invoicing.invoices o on o.tenant_id = b.tenant_id and o.id = b.invoice_id
where case i.status when 'void' then b.invoice_id = i.id else b.invoice_id is distinct from i.id end
