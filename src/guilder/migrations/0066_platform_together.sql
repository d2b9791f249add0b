-- A batch of the log may span partitions: what log_claim, log_find and log_move do of one, these do of several at once.

-- Take a group's cursors of some partitions that have something before them; what another consumer holds is left to it.
create function platform.log_claim_together(wanted text, shares smallint[], at timestamptz)
    returns table (partition smallint, topic text, "position" bigint, epoch bigint, log_epoch bigint, has_due boolean)
    language plpgsql security definer set search_path = ''
    as $$
begin
    return query
    with due as (
        select distinct k.partition, k.topic from platform.log_parked k
         where k.group_name = wanted and k.partition = any (shares) and k.died_at is null and k.due_at <= at
    )
    select c.partition, c.topic, c.position, c.epoch, e.epoch,
           (c.partition, c.topic) in (select d.partition, d.topic from due d)
      from platform.log_cursors c
      join platform.log_heads h on (h.topic, h.partition) = (c.topic, c.partition)
      cross join platform.log_epoch e
     where c.group_name = wanted and c.partition = any (shares)
       and (h.position > c.position or (c.partition, c.topic) in (select d.partition, d.topic from due d))
     order by c.partition, c.topic
       for update of c skip locked;
end $$;

-- Find what follows the cursors, in all of these partitions at most so many rows. Each partition's come as log_find gives them.
create function platform.log_find_together(shares smallint[], topics text[], after bigint[], rows_max integer)
    returns table (partition smallint, topic text, "position" bigint, tenant_id uuid, day date, id bigint)
    language plpgsql stable security definer set search_path = ''
    as $$
begin
    return query
    select s.partition, s.topic, s.position, s.tenant_id, s.day, s.id
      from (select n.*, max(n.id) over (partition by n.partition, n.topic order by n.position) as reach
              from unnest(shares, topics, after) as c (share, topic, position)
              cross join lateral (
                  select min(e.day) as first_day from platform.log_extents e
                   where e.topic = c.topic and e.partition = c.share and e.last_position > c.position) as x
              cross join lateral (
                  select l.partition, l.topic, l.position, l.tenant_id, l.day, l.id from platform.log l
                   where l.partition = c.share and l.topic = c.topic and l.position > c.position
                     and l.day >= x.first_day
                   order by l.position limit rows_max) as n) as s
     order by s.reach, s.partition, s.topic, s.position
     limit rows_max;
end $$;

-- Move cursors, if all stand where they stood when they were read and the log is still in the same life.
create function platform.log_move_together(
    wanted text, shares smallint[], topics text[], olds bigint[], news bigint[], life bigint
)
    returns void
    language plpgsql security definer set search_path = ''
    as $$
declare
    moved integer;
begin
    update platform.log_cursors c set position = m.new
      from unnest(shares, topics, olds, news) as m (share, topic, old, new)
     where c.group_name = wanted and c.partition = m.share and c.topic = m.topic
       and c.position = m.old and c.epoch = life and m.new >= m.old
       and exists (select from platform.log_epoch e where e.epoch = life);
    get diagnostics moved = row_count;
    if moved <> cardinality(topics) then
        raise exception 'a cursor of group % has moved, or is of another epoch', wanted using errcode = 'GB001';
    end if;
end $$;

do $$
declare
    door regprocedure;
begin
    for door in
        select p.oid::regprocedure from pg_proc p
         where p.pronamespace = 'platform'::regnamespace and p.proname like 'log\_%\_together'
    loop
        execute format('revoke execute on function %s from public', door);
        execute format('grant execute on function %s to guilder_app', door);
    end loop;
end $$;
