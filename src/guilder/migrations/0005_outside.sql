-- Calls to the outside, from the intent to its end. A row is claimed by moving due_at past the lease and counting the
-- fence up, so that a runner whose lease was taken over can record nothing. All times but created_at are the wall clock's.

create table platform.intents (
    tenant_id   uuid        not null,
    id          uuid        not null,
    kind        text        not null,
    destination text        not null,
    subject_id  uuid        not null,
    -- Which of a subject's calls this is, and the step at which it stands now.
    step        text        not null default '',
    at_step     text        not null default '',
    state       text        not null default 'waiting' check (state in ('waiting', 'done', 'dead')),
    is_leased   boolean     not null default false,
    attempts    int         not null default 0 check (attempts >= 0),
    fence       bigint      not null default 0,
    due_at      timestamptz not null default clock_timestamp(),
    created_at  timestamptz not null,
    changed_at  timestamptz not null default clock_timestamp(),
    reason      text,
    primary key (tenant_id, id),
    unique (tenant_id, kind, subject_id, step)
) with (fillfactor = 80);
create index intents_due on platform.intents (destination, due_at) where state = 'waiting';
create index intents_pending on platform.intents (tenant_id) where state = 'waiting';
create index intents_dead on platform.intents (tenant_id, id) where state = 'dead';
create index intents_finished on platform.intents (changed_at) where state = 'done';
select platform.protect('platform.intents');

-- Where something can be called now: one step through the index for each destination, however many rows wait there.
create function platform.intent_destinations(p_kinds text[]) returns setof text
    language sql stable security definer set search_path = pg_catalog, pg_temp
    as $$
    with recursive places as (
        (select destination from platform.intents where state = 'waiting' order by destination limit 1)
        union all
        select (select i.destination from platform.intents i
                 where i.state = 'waiting' and i.destination > p.destination order by i.destination limit 1)
          from places p where p.destination is not null
    )
    select p.destination from places p
     where p.destination is not null
       and exists (select from platform.intents i
                    where i.state = 'waiting' and i.destination = p.destination
                      and i.due_at <= clock_timestamp() and i.kind = any (p_kinds))
$$;

-- The database's own clock decides about leases, so that nodes whose clocks differ agree.
create function platform.claim_intents(p_destination text, p_kinds text[], p_limit int, p_lease interval)
    returns table (tenant_id uuid, id uuid, fence bigint)
    language sql volatile security definer set search_path = pg_catalog, pg_temp
    as $$
    with free as (
        select i.tenant_id, i.id from platform.intents i
         where i.state = 'waiting' and i.destination = p_destination and i.due_at <= clock_timestamp()
           and i.kind = any (p_kinds)
         order by i.due_at limit p_limit for update skip locked
    )
    update platform.intents i
       set fence = i.fence + 1, attempts = i.attempts + 1, is_leased = true, due_at = clock_timestamp() + p_lease
      from free where (i.tenant_id, i.id) = (free.tenant_id, free.id)
    returning i.tenant_id, i.id, i.fence
$$;

create function platform.intents_pending(p_tenant uuid) returns bigint
    language sql stable security definer set search_path = pg_catalog, pg_temp
    as $$ select count(*) from platform.intents where tenant_id = p_tenant and state = 'waiting' $$;

-- For metrics and the doctor: how much waits where, how long the oldest has been due, how much is dead.
create function platform.intents_summary()
    returns table (destination text, waiting bigint, leased bigint, dead bigint, late_s double precision)
    language sql stable security definer set search_path = pg_catalog, pg_temp
    as $$
    select i.destination, count(*) filter (where state = 'waiting'),
           count(*) filter (where state = 'waiting' and is_leased), count(*) filter (where state = 'dead'),
           coalesce(extract(epoch from clock_timestamp() - min(due_at) filter (where state = 'waiting')), 0)
      from platform.intents i where state in ('waiting', 'dead') group by i.destination
$$;

create function platform.purge_intents(p_older_than interval, p_limit int) returns bigint
    language sql volatile security definer set search_path = pg_catalog, pg_temp
    as $$
    with old as (
        select i.tenant_id, i.id from platform.intents i
         where i.state = 'done' and i.changed_at < clock_timestamp() - p_older_than
         order by i.changed_at limit p_limit for update skip locked
    ), gone as (
        delete from platform.intents i using old where (i.tenant_id, i.id) = (old.tenant_id, old.id) returning 1
    )
    select count(*) from gone
$$;

revoke execute on function platform.intent_destinations(text[]),
    platform.claim_intents(text, text[], int, interval), platform.intents_pending(uuid), platform.intents_summary(),
    platform.purge_intents(interval, int) from public;
grant execute on function platform.intent_destinations(text[]),
    platform.claim_intents(text, text[], int, interval), platform.intents_pending(uuid), platform.intents_summary(),
    platform.purge_intents(interval, int) to guilder_app;
grant execute on function platform.intents_pending(uuid), platform.intents_summary() to guilder_doctor;
