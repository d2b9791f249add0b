-- What can be called is found by destination, kind and time. A worker that makes some kinds of calls only looked through all
-- that wait for others each time it asked, a million mails for a charge; and who asked what is due went through what has
-- yet to wait, since a moment of clock_timestamp() is none that an index is searched by. A statement's own time is one:
-- what was due before it began is found.

-- Where many wait it is made beforehand, without holding anybody up (docs/design/databases.md). One that was begun there and
-- broken off is of no use.
do $$
begin
    if exists (select from pg_catalog.pg_index
                where indexrelid = pg_catalog.to_regclass('platform.intents_due_by_kind') and not indisvalid) then
        drop index platform.intents_due_by_kind;
    end if;
end $$;
create index if not exists intents_due_by_kind on platform.intents (destination, kind, due_at) where state = 'waiting';
drop index platform.intents_due;

create or replace function platform.intent_destinations(p_kinds text[]) returns setof text
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
                    where i.state = 'waiting' and i.destination = p.destination and i.kind = any (p_kinds)
                      and i.due_at <= statement_timestamp()
                      and not exists (select from platform.held_tenants h where h.tenant_id = i.tenant_id))
$$;

-- Of each kind the first ones, and of these the first. Found once: a plan that looked again while it updates would find others.
create or replace function platform.claim_intents(
    p_destination text, p_kinds text[], p_leases_s double precision[], p_limit int
)
    returns table (tenant_id uuid, id uuid, fence bigint)
    language sql volatile security definer set search_path = pg_catalog, pg_temp
    as $$
    with free as materialized (
        select f.tenant_id, f.id
          from unnest(p_kinds) as k (kind)
         cross join lateral (
              select i.tenant_id, i.id, i.due_at from platform.intents i
               where i.state = 'waiting' and i.destination = p_destination and i.kind = k.kind
                 and i.due_at <= statement_timestamp()
                 and not exists (select from platform.held_tenants h where h.tenant_id = i.tenant_id)
               order by i.due_at limit p_limit for update of i skip locked) as f
         order by f.due_at limit p_limit
    )
    update platform.intents i
       set fence = i.fence + 1, attempts = i.attempts + 1, is_leased = true,
           due_at = clock_timestamp() + make_interval(secs => p_leases_s[array_position(p_kinds, i.kind)])
      from free where (i.tenant_id, i.id) = (free.tenant_id, free.id)
    returning i.tenant_id, i.id, i.fence
$$;
