-- Connections to payment providers: whose they are, what was asked of them, what they told us by themselves.

select platform.open_room('gateways');

create table gateways.accounts (
    tenant_id uuid not null references identity.tenants (tenant_id),
    id uuid not null,
    gateway text not null check (gateway ~ '^[a-z][a-z0-9_]{0,31}$'),
    name text not null check (length(name) between 1 and 200),
    -- The API key and the secret of our webhook endpoint, each sealed under the tenant's own key.
    sealed_secret bytea not null,
    sealed_endpoint_secret bytea not null,
    endpoint_id uuid not null unique,
    -- What the provider calls this account, where its key says so: a notice of another account is not ours.
    provider_account text not null,
    -- A sandbox's provider lives on the sandbox's time.
    is_on_own_clock boolean not null,
    is_default boolean not null,
    is_active boolean not null,
    hears_bare_path boolean not null,
    registered_at timestamptz,
    -- The provider said 401: nothing is charged there until a call goes through again.
    refused_at timestamptz,
    created_at timestamptz not null,
    primary key (tenant_id, id),
    check (not is_default or is_active)
);
create unique index accounts_default on gateways.accounts (tenant_id) where is_default;
-- The environment's keys, and /api/webhooks/{gateway} with no more after it, belong to one tenant.
create unique index accounts_bare_path on gateways.accounts (gateway) where hears_bare_path;
select platform.protect('gateways.accounts', 'select, insert, update');

create table gateways.requests (
    tenant_id uuid not null,
    id uuid not null,
    account_id uuid not null,
    kind text not null check (kind in ('charge', 'cancel', 'refund', 'setup')),
    -- Never changes, is the provider's metadata, and gives the idempotency keys: one object there for one key here.
    business_key text not null,
    subject_id uuid not null,
    customer_id uuid not null,
    amount_minor bigint check (amount_minor > 0),
    currency text check (currency ~ '^[A-Z]{3}$'),
    -- Under the customer's key; empty where there is no token.
    sealed_token bytea not null,
    provider_ref text not null,
    is_on_session boolean not null,
    return_url text not null,
    description text not null,
    -- The last word: what was answered, and whether the charge was taken back meanwhile.
    outcome text not null check (outcome in ('', 'succeeded', 'declined', 'requires_action', 'canceled', 'unknown')),
    decline_code text not null,
    is_hard_decline boolean not null,
    is_withdrawn boolean not null,
    is_settled boolean not null,
    tries integer not null check (tries >= 0),
    sessions integer not null check (sessions >= 0),
    requested_at timestamptz not null,
    check_due_at timestamptz,
    primary key (tenant_id, id),
    unique (tenant_id, kind, business_key),
    foreign key (tenant_id, account_id) references gateways.accounts (tenant_id, id),
    check ((amount_minor is null) = (currency is null)),
    check ((kind in ('charge', 'refund')) <= (amount_minor is not null)),
    check (not (is_settled and check_due_at is not null))
) with (fillfactor = 80);
create index requests_due on gateways.requests (check_due_at) where check_due_at is not null;
select platform.protect('gateways.requests', 'select, insert, update');

-- Providers' webhooks, each once, as they came. Sealed: providers put customers' details into them.
create table gateways.notices (
    tenant_id uuid not null,
    id uuid not null,
    account_id uuid not null,
    notice_id text not null check (length(notice_id) between 1 and 255),
    type text not null,
    business_key text not null,
    -- Why nothing follows from it: "" if something does.
    ignored_because text not null,
    sealed_body bytea not null,
    received_at timestamptz not null,
    primary key (tenant_id, id),
    unique (tenant_id, account_id, notice_id),
    foreign key (tenant_id, account_id) references gateways.accounts (tenant_id, id)
);
select platform.protect('gateways.notices', 'select, insert');

create function gateways.find_endpoint(p_endpoint uuid) returns table (tenant_id uuid, id uuid)
    language sql stable security definer set search_path = ''
    as $$ select a.tenant_id, a.id from gateways.accounts a where a.endpoint_id = p_endpoint and a.is_active $$;
revoke execute on function gateways.find_endpoint(uuid) from public;
grant execute on function gateways.find_endpoint(uuid) to guilder_app;

create function gateways.find_bare_endpoint(p_gateway text) returns table (tenant_id uuid, id uuid)
    language sql stable security definer set search_path = ''
    as $$
        select a.tenant_id, a.id from gateways.accounts a
        where a.gateway = p_gateway and a.hears_bare_path and a.is_active
    $$;
revoke execute on function gateways.find_bare_endpoint(text) from public;
grant execute on function gateways.find_bare_endpoint(text) to guilder_app;

-- What has had no final answer for a while is looked up again.
create function gateways.requests_due(p_tenant uuid, p_now timestamptz, p_limit int)
    returns table (tenant_id uuid, id uuid, due_at timestamptz)
    language sql stable security definer set search_path = ''
    as $$
        select r.tenant_id, r.id, r.check_due_at
        from gateways.requests r
        join identity.tenants t on t.tenant_id = r.tenant_id
        where r.check_due_at <= p_now and t.status = 'active'
          and case when p_tenant is null then t.mode <> 'sandbox' else r.tenant_id = p_tenant end
        order by r.check_due_at limit p_limit
    $$;
revoke execute on function gateways.requests_due(uuid, timestamptz, int) from public;
grant execute on function gateways.requests_due(uuid, timestamptz, int) to guilder_app;
