select e.tenant_id, e.source_type as kind, e.source_id::text as id,
       format('it is booked %s times as %s', count(*), e.kind) as says
from tenant t
join ledger.entries e on e.tenant_id = t.tenant_id
group by e.tenant_id, e.kind, e.source_type, e.source_id
having count(*) > 1
