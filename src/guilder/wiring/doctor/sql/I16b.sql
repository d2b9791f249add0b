-- An instant is taken when a transaction begins, a number when it ends: they may cross by as long as one may last.
select n.tenant_id, 'inv' as kind, n.id::text as id,
       format('number %s was made final at %s, and the number before it at %s', n.number, n.finalized_at,
              n.before_at) as says
from (select i.tenant_id, i.id, i.number, i.finalized_at,
             lag(i.finalized_at) over (partition by i.tenant_id, i.issuer_id, i.kind order by i.sequence) as before_at
      from tenant t join invoicing.invoices i on i.tenant_id = t.tenant_id where i.sequence is not null) n
where n.before_at > n.finalized_at + interval '2 minutes'
