select p.tenant_id, 'entry' as kind, p.entry_id::text as id,
       case when e.id is null then 'it has postings, and there is no such entry in this tenant'
            else format('it is in %s, and its posting %s in %s', e.currency, p.line, p.currency) end as says
from tenant t
join ledger.postings p on p.tenant_id = t.tenant_id
left join ledger.entries e on e.tenant_id = p.tenant_id and e.id = p.entry_id
where e.currency is distinct from p.currency
