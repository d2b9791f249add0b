-- Giving positions, and making cursors, in several partitions by one statement each. A partition and topic at a time, a call
-- gave some thirty positions and cost as much as three hundred: what it takes to begin with tables of many days.

-- Give the rows of a day that lie in these places the positions that belong to their ids; ids ascend. Returns how many rows
-- still lay there. They are gone to where they lie, and in no other way: of a day that nobody has counted yet the planner
-- believes that it is small, and would read it whole. No door: only the function below comes here.
create function platform.give_positions_to(wanted date, places tid[], ids bigint[], positions bigint[]) returns integer
    language plpgsql set search_path = ''
    set plan_cache_mode = force_generic_plan
    set enable_seqscan = off set enable_indexscan = off set enable_bitmapscan = off
    as $$
declare
    placed integer;
begin
    update platform.log l set position = positions[width_bucket(l.id, ids)]
     where l.day = wanted and l.ctid = any (places);
    get diagnostics placed = row_count;
    return placed;
end $$;

-- Give the rows of these partitions that have become visible dense positions, in the order of their ids: of each partition at
-- most so many, and none where another sequencer is at it. Returns how many.
create function platform.log_sequence_together(shares smallint[], rows_max integer) returns integer
    language plpgsql security definer set search_path = ''
    set plan_cache_mode = force_generic_plan set enable_seqscan = off set enable_bitmapscan = off
    as $$
declare
    mine  smallint[];
    given integer := 0;
    one   record;
begin
    select array_agg(s.share) into mine
      from unnest(shares) as s (share) where pg_try_advisory_xact_lock(1735747442, s.share);
    -- A statement of its own, so that its snapshot is younger than the locks: it sees what the last sequencers gave.
    for one in
        with fresh as materialized (
            select n.*
              from unnest(mine) as m (share)
             cross join lateral (
                  select l.day, l.id, l.topic, l.partition, l.ctid as place from platform.log l
                   where l.partition = m.share and l.position is null order by l.id limit rows_max) as n
        ), heads as (
            insert into platform.log_heads as h (topic, partition, position)
            select f.topic, f.partition, count(*) from fresh f group by f.topic, f.partition order by f.topic, f.partition
            on conflict (topic, partition) do update set position = h.position + excluded.position
            returning h.topic, h.partition, h.position
        ), placed as materialized (
            select f.day, f.id, f.topic, f.partition, f.place,
                   h.position + 1 - row_number() over (partition by f.topic, f.partition order by f.id desc) as position
              from fresh f join heads h using (topic, partition)
        ), extents as (
            insert into platform.log_extents as e (topic, partition, day, first_position, last_position)
            select p.topic, p.partition, p.day, min(p.position), max(p.position)
              from placed p group by p.topic, p.partition, p.day order by p.topic, p.partition, p.day
            on conflict (topic, partition, day) do update
               set first_position = least(e.first_position, excluded.first_position),
                   last_position = greatest(e.last_position, excluded.last_position)
        )
        select p.day, array_agg(p.place) as places, array_agg(p.id order by p.id) as ids,
               array_agg(p.position order by p.id) as positions
          from placed p group by p.day
    loop
        -- Whoever pseudonymises a row writes it elsewhere: what is not where it was is looked for again.
        if platform.give_positions_to(one.day, one.places, one.ids, one.positions) <> cardinality(one.places) then
            raise exception 'rows of % were written anew meanwhile', one.day using errcode = 'serialization_failure';
        end if;
        given := given + cardinality(one.places);
    end loop;
    return given;
end $$;

-- Make the cursors that a group has yet to get in these partitions; returns where there were any. A transaction of its own:
-- whoever comes second waits for the first, and must not have to wait for its handlers too.
create function platform.log_open_together(wanted text, shares smallint[]) returns setof smallint
    language plpgsql security definer set search_path = ''
    as $$
begin
    return query
    with opened as (
        insert into platform.log_cursors as c (group_name, topic, partition, position, epoch)
        select wanted, h.topic, h.partition, 0, e.epoch
          from platform.log_heads h, platform.log_epoch e
         where h.partition = any (shares)
           and exists (select from platform.log_groups g where g.group_name = wanted and h.topic like g.pattern)
           and not exists (select from platform.log_cursors o
                            where (o.group_name, o.topic, o.partition) = (wanted, h.topic, h.partition))
         order by h.topic, h.partition
        on conflict do nothing
        returning c.partition
    )
    select distinct o.partition from opened o;
end $$;

revoke execute on function platform.give_positions_to(date, tid[], bigint[], bigint[]) from public;
revoke execute on function platform.log_sequence_together(smallint[], integer) from public;
revoke execute on function platform.log_open_together(text, smallint[]) from public;
grant execute on function platform.log_sequence_together(smallint[], integer) to guilder_app;
grant execute on function platform.log_open_together(text, smallint[]) to guilder_app;
