select e.tenant_id, 'entry' as kind, e.id::text as id,
       format('its %s postings add up to %s minor units of %s, not to nothing', count(p.line),
              coalesce(sum(p.amount_minor), 0), coalesce(p.currency, e.currency)) as says
from tenant t
join ledger.entries e on e.tenant_id = t.tenant_id
left join ledger.postings p on p.tenant_id = e.tenant_id and p.entry_id = e.id
group by e.tenant_id, e.id, e.currency, p.currency
having coalesce(sum(p.amount_minor), 0) <> 0 or count(p.line) < 2
