-- Idempotency: the answer that a key was given, kept so that asking again gives the same answer and does nothing more.

create table platform.idempotency_keys (
    tenant_id   uuid        not null,
    -- Whose key it is: the tenant's own callers share a space of keys, each customer's users have their own.
    scope       text        not null,
    key         text        not null check (length(key) between 1 and 255),
    -- SHA-256 of method, path, query and body: the same key means the same request, or it is refused.
    fingerprint bytea       not null check (length(fingerprint) = 32),
    status      smallint    not null,
    media_type  text        not null,
    location    text,
    -- Sealed: an answer may hold personal data, or a secret that is shown only once.
    body        bytea       not null,
    created_at  timestamptz not null default now(),
    primary key (tenant_id, scope, key)
);
create index idempotency_keys_by_age on platform.idempotency_keys (created_at);
select platform.protect('platform.idempotency_keys');

-- Forget old answers, over all tenants, some at a time. Whatever it is asked, nothing younger than 72 hours goes.
create function platform.purge_idempotency_keys(before timestamptz, at_most int) returns int
    language sql security definer set search_path = pg_catalog, pg_temp
    as $$
    with old as (
        select tenant_id, scope, key from platform.idempotency_keys
        where created_at < least(before, now() - interval '72 hours')
        order by created_at limit at_most for update skip locked
    ), gone as (
        delete from platform.idempotency_keys k using old
        where (k.tenant_id, k.scope, k.key) = (old.tenant_id, old.scope, old.key)
        returning 1
    )
    select count(*)::int from gone $$;
revoke execute on function platform.purge_idempotency_keys(timestamptz, int) from public;
grant execute on function platform.purge_idempotency_keys(timestamptz, int) to guilder_app;
