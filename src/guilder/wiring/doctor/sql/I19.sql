select l.tenant_id, 'evt' as kind, l.event_id::text as id,
       format('%s was announced at %s, and has no position yet', l.name, l.recorded_at) as says
from wall w, tenant t
join platform.log l on l.tenant_id = t.tenant_id
where l.position is null and l.recorded_at <= w.late_at
union all
select l.tenant_id, 'evt', l.event_id::text,
       format('%s was announced at %s, and %s has not heard it yet', l.name, l.recorded_at, b.group_name)
       || case b.group_name when 'relay' then ': guilder relay carries it to Kafka, and guilder relay --forget gives that up'
                            else '' end
from wall w,
     (select distinct g.group_name, h.topic, h.partition, coalesce(c.position, 0) as position
      from platform.log_groups g
      join platform.log_heads h on h.topic like g.pattern
      left join platform.log_cursors c
          on (c.group_name, c.topic, c.partition) = (g.group_name, h.topic, h.partition)
      where h.position > coalesce(c.position, 0)) b
join platform.log l on l.topic = b.topic and l.partition = b.partition and l.position > b.position
join tenant t on t.tenant_id = l.tenant_id
where l.recorded_at <= w.late_at
union all
select null, 'group', c.group_name,
       format('its cursor in partition %s of %s is of another life of the log: it stands still', c.partition, c.topic)
from platform.log_cursors c, platform.log_epoch e
where c.epoch <> e.epoch
