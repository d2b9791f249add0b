select k.tenant_id, 'evt' as kind, k.event_id::text as id,
       case when k.died_at is not null
            then format('%s gave %s up after %s tries: %s', k.group_name, k.name, k.tries, coalesce(k.reason, 'no reason kept'))
            else format('%s waits at %s since %s: %s', k.name, k.group_name, k.parked_at,
                        coalesce(k.reason, 'behind another of its key')) end as says
from wall w, tenant t
join platform.log_parked k on k.tenant_id = t.tenant_id
where k.died_at is not null or k.parked_at <= w.late_at
