select i.tenant_id, 'inv' as kind, i.id::text as id,
       format('its total is %s, subtotal %s and tax %s; its %s lines come to %s and %s of tax', i.total_minor,
              i.subtotal_minor, i.tax_minor, l.lines, l.net, l.tax) as says
from tenant t
join invoicing.invoices i on i.tenant_id = t.tenant_id
cross join lateral (
    select count(*) as lines, coalesce(sum(l.amount_minor), 0) as net, coalesce(sum(l.tax_minor), 0) as tax
    from invoicing.lines l where l.tenant_id = i.tenant_id and l.invoice_id = i.id) l
where (i.subtotal_minor, i.tax_minor, i.total_minor) is distinct from (l.net, l.tax, l.net + l.tax)
   or (i.total_minor < 0) <> (i.kind = 'credit_note') or l.lines = 0
