-- An account that is retired is charged no more, and its webhooks are heard: money that was asked for before comes in there.
-- A release before this one looks at `is_active` itself, and goes on refusing them.

create or replace function gateways.find_endpoint(p_endpoint uuid) returns table (tenant_id uuid, id uuid)
    language sql stable security definer set search_path = ''
    as $$ select a.tenant_id, a.id from gateways.accounts a where a.endpoint_id = p_endpoint $$;

-- One account a gateway has it (accounts_bare_path), retired or not: another one could not take its place.
create or replace function gateways.find_bare_endpoint(p_gateway text) returns table (tenant_id uuid, id uuid)
    language sql stable security definer set search_path = ''
    as $$
        select a.tenant_id, a.id from gateways.accounts a
        where a.gateway = p_gateway and a.hears_bare_path
    $$;
