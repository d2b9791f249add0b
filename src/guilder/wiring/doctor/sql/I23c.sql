select c.tenant_id, 'case' as kind, c.id::text as id,
       case when c.closed_at is null then 'it blocks its customer, who is not blocked'
            else format('it was %s at %s, and its customer is still blocked', c.status, c.closed_at) end as says
from tenant t
join dunning.cases c on c.tenant_id = t.tenant_id
left join entitlements.blocks b on b.tenant_id = c.tenant_id and b.cause_id = c.id
where case when c.closed_at is not null then c.closed_at <= t.late_at and b.cause_id is not null and b.lifted_at is null
           else c.is_blocking and c.last_failed_at <= t.late_at and (b.cause_id is null or b.lifted_at is not null) end
