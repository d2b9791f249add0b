-- Invoices and credit notes are a series each.
select n.tenant_id, 'issuer' as kind, n.issuer_id::text as id,
       format('it has %s numbers from %s to %s, and the next is %s: they are not every one from 1', n.taken, n.first,
              n.last, coalesce(s.next::text, 'not known')) as says
from (select i.tenant_id, i.issuer_id, i.kind, count(*) as taken, count(distinct i.sequence) as different,
             min(i.sequence) as first, max(i.sequence) as last
      from tenant t join invoicing.invoices i on i.tenant_id = t.tenant_id
      where i.sequence is not null group by i.tenant_id, i.issuer_id, i.kind) n
left join (select x.*, 'invoice' as kind from invoicing.series x
           union all select x.*, 'credit_note' from invoicing.credit_note_series x) s
    on s.tenant_id = n.tenant_id and s.issuer_id = n.issuer_id and s.kind = n.kind
where n.first <> 1 or n.taken <> n.last or n.different <> n.taken or s.next is distinct from n.last + 1
union all
select s.tenant_id, 'issuer', s.issuer_id::text, format('numbers up to %s were taken, and no invoice has one', s.next - 1)
from tenant t
join (select x.*, 'invoice' as kind from invoicing.series x
      union all select x.*, 'credit_note' from invoicing.credit_note_series x) s on s.tenant_id = t.tenant_id
where s.next > 1 and not exists (select from invoicing.invoices i
                                 where i.tenant_id = s.tenant_id and i.issuer_id = s.issuer_id and i.kind = s.kind
                                   and i.sequence is not null)
