-- Kafka as the log's second transport: who relays which partition, and what the relay's place in the log holds up.

-- One relay a partition at a time, so that none does another's work. Nothing depends on it: the relay's cursors are moved
-- under the same guard as everybody's, and what two have sent is in the topic twice.
create table platform.log_relays (
    partition  smallint    primary key,
    holder     uuid        not null,
    held_until timestamptz not null
) with (fillfactor = 50);
grant select, insert, update on platform.log_relays to guilder_app;
grant select on platform.log_relays to guilder_doctor;

-- Send a group through the log again, as far as there still is one: all topics, or those that are like a pattern.
create function platform.log_rewind(wanted text, pattern text) returns integer
    language plpgsql security definer set search_path = ''
    as $$
declare
    rewound integer;
begin
    update platform.log_cursors c set position = 0
     where c.group_name = wanted and c.topic like pattern and c.position > 0;
    get diagnostics rewound = row_count;
    return rewound;
end $$;
revoke execute on function platform.log_rewind(text, text) from public;
grant execute on function platform.log_rewind(text, text) to guilder_app;

-- As before, but for the relay: a broker that is away keeps no sandbox's clock from going on.
create or replace function platform.log_pending(wanted uuid) returns bigint
    language plpgsql stable security definer set search_path = ''
    as $$
begin
    return (select count(*) from platform.log l where l.tenant_id = wanted and l.position is null)
         + (select count(*)
              from (select distinct g.group_name, h.topic, h.partition, coalesce(c.position, 0) as position
                      from platform.log_groups g
                      join platform.log_heads h on h.topic like g.pattern
                      left join platform.log_cursors c
                        on (c.group_name, c.topic, c.partition) = (g.group_name, h.topic, h.partition)
                     where g.group_name <> 'relay' and h.position > coalesce(c.position, 0)) as behind
              join platform.log l on l.tenant_id = wanted and l.topic = behind.topic
               and l.partition = behind.partition and l.position > behind.position)
         + (select count(*)
              from platform.log_parked k
             where k.tenant_id = wanted and k.died_at is null
               and not exists (
                   select from platform.log_parked b
                    where (b.group_name, b.partition, b.topic, b.key) = (k.group_name, k.partition, k.topic, k.key)
                      and b.position < k.position and b.died_at is not null and b.blocks));
end $$;
