-- Reading on in the log and giving positions, without a look at each row where one at all of them does.

-- Find what follows the cursors, in all of these partitions at most so many rows: of each the very next ones, which lie
-- between two positions. Says between which, in which days, and whose they are.
-- Its plans are kept whatever they are given: a plan of its own for each batch would be made for longer than it runs. So a
-- plan must be right for a day of any size: by partition, topic and position.
create function platform.log_find_runs(shares smallint[], topics text[], after bigint[], rows_max integer)
    returns table (partition smallint, topic text, first bigint, last bigint, days date[], tenants uuid[])
    language plpgsql stable security definer set search_path = '' set plan_cache_mode = force_generic_plan
    set enable_bitmapscan = off
    as $$
declare
    waiting  bigint;
    from_day date;
begin
    -- Partitions that others fill a batch before are not looked into: a next batch is theirs.
    select array_agg(w.share), array_agg(w.topic), array_agg(w.position), sum(w.rows), min(w.from_day)
      into shares, topics, after, waiting, from_day
      from (select c.share, c.topic, c.position, x.rows, x.from_day,
                   sum(x.rows) over (order by c.share groups between unbounded preceding and 1 preceding) as before
              from unnest(shares, topics, after) as c (share, topic, position)
             cross join lateral (
                  select max(e.last_position) - greatest(c.position, min(e.first_position) - 1) as rows,
                         min(e.day) as from_day
                    from platform.log_extents e
                   where e.topic = c.topic and e.partition = c.share and e.last_position > c.position) as x
             where x.rows > 0) as w
     where coalesce(w.before, 0) < rows_max;
    if cardinality(shares) > 1 and waiting > rows_max then
        -- Not all of it will do, and of which topics, their ids say.
        return query
        select f.partition, f.topic, min(f.position), max(f.position), array_agg(distinct f.day),
               array_agg(distinct f.tenant_id)
          from platform.log_find_together(shares, topics, after, rows_max) as f
         group by f.partition, f.topic;
        return;
    end if;
    return query
    select c.share, c.topic, r.low, r.high, r.days, r.tenants
      from unnest(shares, topics, after) as c (share, topic, position)
     cross join lateral (
          select min(n.position) as low, max(n.position) as high, array_agg(distinct n.day) as days,
                 array_agg(distinct n.tenant_id) as tenants
            from (select l.position, l.day, l.tenant_id from platform.log l
                   where l.partition = c.share and l.topic = c.topic and l.position > c.position
                     -- No last day beside it: of two bounds the planner believes that they leave one row in two hundred, and
                     -- goes through the whole day by its key, for each partition.
                     and l.day >= from_day
                   order by l.position limit rows_max) as n) as r
     where r.low is not null
     order by c.share, c.topic;
end $$;

-- Give positions to the rows of a day that lie in these places: the head, and how many of these ids come up to the row's own.
-- Returns how many rows still lay there. They are gone to where they lie, and in no other way: of a day that nobody has
-- counted yet the planner believes that it is small, and would read it whole. Nor is there a plan made for each step, which
-- of one row would be most of it. No door: only the function below comes here.
create function platform.give_positions(wanted date, places tid[], ids bigint[], head bigint) returns integer
    language plpgsql set search_path = ''
    set plan_cache_mode = force_generic_plan
    set enable_seqscan = off set enable_indexscan = off set enable_bitmapscan = off
    as $$
declare
    placed integer;
begin
    update platform.log l set position = head + width_bucket(l.id, ids)
     where l.day = wanted and l.ctid = any (places);
    get diagnostics placed = row_count;
    return placed;
end $$;

-- As before, but that rows are not looked for a second time, and not numbered one by one.
create or replace function platform.log_sequence(wanted smallint, rows_max integer) returns integer
    language plpgsql security definer set search_path = ''
    as $$
declare
    given integer := 0;
    one   record;
begin
    if not pg_try_advisory_xact_lock(1735747442, wanted) then
        return -1;
    end if;
    -- A statement of its own, so that its snapshot is younger than the lock: it sees what the last sequencer gave.
    for one in
        with fresh as materialized (
            select l.day, l.id, l.topic, l.ctid as place from platform.log l
             where l.partition = wanted and l.position is null order by l.id limit rows_max
        ), topics as materialized (
            select f.topic, array_agg(f.id order by f.id) as ids from fresh f group by f.topic
        ), heads as (
            insert into platform.log_heads as h (topic, partition, position)
            select t.topic, wanted, cardinality(t.ids) from topics t order by t.topic
            on conflict (topic, partition) do update set position = h.position + excluded.position
            returning h.topic, h.position
        ), days as (
            select f.topic, f.day, array_agg(f.place) as places, min(f.id) as low, max(f.id) as high
              from fresh f group by f.topic, f.day
        )
        select d.*, t.ids, h.position - cardinality(t.ids) as head
          from days d join topics t using (topic) join heads h using (topic)
    loop
        -- Whoever pseudonymises a row writes it elsewhere: what is not where it was is looked for again.
        if platform.give_positions(one.day, one.places, one.ids, one.head) <> cardinality(one.places) then
            raise exception 'rows of partition % were written anew meanwhile', wanted using errcode = 'serialization_failure';
        end if;
        insert into platform.log_extents as e (topic, partition, day, first_position, last_position)
        values (one.topic, wanted, one.day, one.head + width_bucket(one.low, one.ids),
                one.head + width_bucket(one.high, one.ids))
        on conflict (topic, partition, day) do update
           set first_position = least(e.first_position, excluded.first_position),
               last_position = greatest(e.last_position, excluded.last_position);
        given := given + cardinality(one.places);
    end loop;
    return given;
end $$;

revoke execute on function platform.give_positions(date, tid[], bigint[], bigint) from public;
revoke execute on function platform.log_find_runs(smallint[], text[], bigint[], integer) from public;
grant execute on function platform.log_find_runs(smallint[], text[], bigint[], integer) to guilder_app;
