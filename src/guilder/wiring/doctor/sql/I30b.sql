-- Whatever was announced is in the audit, once the group that keeps it has passed.
select l.tenant_id, 'evt' as kind, l.event_id::text as id,
       format('%s was announced at %s, and the audit has no record of it', l.name, l.recorded_at) as says
from wall w, tenant t
join platform.log l on l.tenant_id = t.tenant_id
join platform.log_cursors c on c.group_name = 'audit' and c.topic = l.topic and c.partition = l.partition
where l.position <= c.position and l.recorded_at <= w.late_at
  and not exists (select from audit.records r where r.tenant_id = l.tenant_id and r.id = l.event_id)
  and not exists (select from platform.log_parked p where p.group_name = 'audit' and p.id = l.id)
