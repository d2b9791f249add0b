-- Invoices and credit notes are a series each. What was given up after a restore counts as taken, and is used by nobody.
select n.tenant_id, 'issuer' as kind, n.issuer_id::text as id,
       format('it has %s numbers from %s to %s, %s are given up, and the next is %s: they are not every one from 1',
              n.taken, n.first, n.last, coalesce(g.count, 0), coalesce(s.next::text, 'not known')) as says
from (select i.tenant_id, i.issuer_id, i.kind, count(*) as taken, count(distinct i.sequence) as different,
             min(i.sequence) as first, max(i.sequence) as last
      from tenant t join invoicing.invoices i on i.tenant_id = t.tenant_id
      where i.sequence is not null group by i.tenant_id, i.issuer_id, i.kind) n
left join (select x.*, 'invoice' as kind from invoicing.series x
           union all select x.*, 'credit_note' from invoicing.credit_note_series x) s
    on s.tenant_id = n.tenant_id and s.issuer_id = n.issuer_id and s.kind = n.kind
left join (select tenant_id, issuer_id, kind, sum(last - first + 1)::bigint as count
           from invoicing.given_up_numbers group by tenant_id, issuer_id, kind) g
    on g.tenant_id = n.tenant_id and g.issuer_id = n.issuer_id and g.kind = n.kind
where n.first < 1 or n.different <> n.taken or n.last >= s.next
   or s.next is distinct from n.taken + coalesce(g.count, 0) + 1
union all
select s.tenant_id, 'issuer', s.issuer_id::text, format('numbers up to %s were taken, and no invoice has one', s.next - 1)
from tenant t
join (select x.*, 'invoice' as kind from invoicing.series x
      union all select x.*, 'credit_note' from invoicing.credit_note_series x) s on s.tenant_id = t.tenant_id
where s.next - 1 > (select coalesce(sum(g.last - g.first + 1), 0) from invoicing.given_up_numbers g
                    where g.tenant_id = s.tenant_id and g.issuer_id = s.issuer_id and g.kind = s.kind)
  and not exists (select from invoicing.invoices i
                  where i.tenant_id = s.tenant_id and i.issuer_id = s.issuer_id and i.kind = s.kind
                    and i.sequence is not null)
union all
select i.tenant_id, 'inv', i.id::text, format('its number %s was given up after a restore', i.number)
from tenant t
join invoicing.given_up_numbers g on g.tenant_id = t.tenant_id
join invoicing.invoices i on i.tenant_id = g.tenant_id and i.issuer_id = g.issuer_id and i.kind = g.kind
    and i.sequence between g.first and g.last
