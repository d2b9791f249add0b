select o.tenant_id, 'ord' as kind, o.id::text as id,
       case when o.status = 'processing' then format('its invoice was paid at %s, and it is not completed', i.paid_at)
            else format('%s was paid for, and cannot be used', o.product_code) end as says
from tenant t
join orders.orders o on o.tenant_id = t.tenant_id
left join invoicing.invoices i on i.tenant_id = o.tenant_id and i.id = o.invoice_id
left join entitlements.grants g on g.tenant_id = o.tenant_id and g.source_id = o.id
where (o.status = 'processing' and i.status = 'paid' and i.paid_at <= t.late_at)
   or (o.status = 'completed' and o.product_code <> '' and g.source_id is null and o.completed_at <= t.late_at)
union all
select o.tenant_id, 'ord', o.id::text, format('%s may be used, and the order is %s', g.code, o.status)
from tenant t
join entitlements.grants g on g.tenant_id = t.tenant_id and g.kind = 'product'
join orders.orders o on o.tenant_id = g.tenant_id and o.id = g.source_id
where o.status <> 'completed'
union all
select s.tenant_id, 'sub', s.id::text, 'its first invoice is paid, and it has not begun'
from tenant t
join subscriptions.subscriptions s on s.tenant_id = t.tenant_id
where s.status = 'processing'
  and exists (select from invoicing.invoices i
              where i.tenant_id = s.tenant_id and i.subscription_id = s.id and i.status = 'paid')
