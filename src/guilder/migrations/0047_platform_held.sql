-- Tenants of whom nothing goes out: no intent of theirs is taken, whatever it is, and none is lost. Whoever runs tenants
-- says which these are; the intents stay as they stand, and are taken again when the row is gone.

create table platform.held_tenants (
    tenant_id uuid not null primary key,
    held_at timestamptz not null default clock_timestamp()
);
select platform.protect('platform.held_tenants');

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
                    where i.state = 'waiting' and i.destination = p.destination
                      and i.due_at <= clock_timestamp() and i.kind = any (p_kinds)
                      and not exists (select from platform.held_tenants h where h.tenant_id = i.tenant_id))
$$;

create or replace function platform.claim_intents(p_destination text, p_kinds text[], p_limit int, p_lease interval)
    returns table (tenant_id uuid, id uuid, fence bigint)
    language sql volatile security definer set search_path = pg_catalog, pg_temp
    as $$
    with free as (
        select i.tenant_id, i.id from platform.intents i
         where i.state = 'waiting' and i.destination = p_destination and i.due_at <= clock_timestamp()
           and i.kind = any (p_kinds)
           and not exists (select from platform.held_tenants h where h.tenant_id = i.tenant_id)
         order by i.due_at limit p_limit for update of i skip locked
    )
    update platform.intents i
       set fence = i.fence + 1, attempts = i.attempts + 1, is_leased = true, due_at = clock_timestamp() + p_lease
      from free where (i.tenant_id, i.id) = (free.tenant_id, free.id)
    returning i.tenant_id, i.id, i.fence
$$;

-- What is held is late on purpose.
create or replace function platform.intents_summary()
    returns table (destination text, waiting bigint, leased bigint, dead bigint, late_s double precision)
    language sql stable security definer set search_path = pg_catalog, pg_temp
    as $$
    select i.destination, count(*) filter (where state = 'waiting'),
           count(*) filter (where state = 'waiting' and is_leased), count(*) filter (where state = 'dead'),
           coalesce(extract(epoch from clock_timestamp()
                        - min(due_at) filter (where state = 'waiting' and h.tenant_id is null)), 0)
      from platform.intents i left join platform.held_tenants h on h.tenant_id = i.tenant_id
     where state in ('waiting', 'dead') group by i.destination
$$;
