-- Master keys that a KMS wraps, and what is needed to find what an older key sealed.

-- One row a master key, in the order of the ring: the one for new data has the first place. Empty where the keys lie in
-- the environment or in a folder. Nothing here opens without the KMS. It belongs to the installation, to no tenant.
create table platform.master_keys (
    id       text        primary key check (length(id) between 1 and 40),
    place    integer     not null unique check (place > 0),
    wrapped  bytea       not null,
    added_at timestamptz not null default now()
);
grant select, insert, delete on platform.master_keys to guilder_app;

-- How much is still sealed by a key that has this header, over all tenants: a key is taken out at nought.
create function platform.sealed_under(p_header bytea) returns table (what text, count bigint)
    language sql stable security definer set search_path = pg_catalog, pg_temp
    as $$
    select 'keys of subjects', count(*) from platform.subject_keys
     where substr(wrapped_key, 1, length(p_header)) = p_header
    union all
    select 'stored answers', count(*) from platform.idempotency_keys
     where substr(body, 1, length(p_header)) = p_header $$;
revoke execute on function platform.sealed_under(bytea) from public;
grant execute on function platform.sealed_under(bytea) to guilder_app;

-- The tenants of which something is not sealed by the key of this header.
create function platform.tenants_not_under(p_header bytea) returns table (tenant_id uuid)
    language sql stable security definer set search_path = pg_catalog, pg_temp
    as $$
    select k.tenant_id from platform.subject_keys k
     where k.wrapped_key is not null and substr(k.wrapped_key, 1, length(p_header)) <> p_header
    union
    select i.tenant_id from platform.idempotency_keys i
     where substr(i.body, 1, length(p_header)) <> p_header $$;
revoke execute on function platform.tenants_not_under(bytea) from public;
grant execute on function platform.tenants_not_under(bytea) to guilder_app;

-- Words that people wrote before they were sealed are sealed later: the rows were written once until now.
grant update (text) on payments.dispute_notes to guilder_app;
grant update (answer) on webhooks.attempts to guilder_app;
