-- A lease as long as its own kind of call may take, and not as the slowest kind that the process knows: after a crash a
-- charge is taken up within the time of a charge, whatever else is called. The function that knew one lease for all stays
-- for the release before this one.

create function platform.claim_intents(p_destination text, p_kinds text[], p_leases_s double precision[], p_limit int)
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
       set fence = i.fence + 1, attempts = i.attempts + 1, is_leased = true,
           due_at = clock_timestamp() + make_interval(secs => p_leases_s[array_position(p_kinds, i.kind)])
      from free where (i.tenant_id, i.id) = (free.tenant_id, free.id)
    returning i.tenant_id, i.id, i.fence
$$;

revoke execute on function platform.claim_intents(text, text[], double precision[], int) from public;
grant execute on function platform.claim_intents(text, text[], double precision[], int) to guilder_app;
