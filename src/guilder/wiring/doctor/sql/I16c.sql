select i.tenant_id, 'inv' as kind, i.id::text as id,
       case when i.status = 'draft' then 'it is a draft that was committed: a draft lasts as long as its transaction'
            else format('it is %s, and has no number, seal or date', i.status) end as says
from tenant t
join invoicing.invoices i on i.tenant_id = t.tenant_id
where i.status = 'draft' or i.number is null or i.sequence is null or i.finalized_at is null
   or i.content_sha256 !~ '^[0-9a-f]{64}$' or i.content_sha256 is null
