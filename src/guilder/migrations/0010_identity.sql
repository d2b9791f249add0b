-- Tenants and who acts for them. Rooms above join identity.tenants to find out whose clock a row lives on.

select platform.open_room('identity');

create table identity.tenants (
    tenant_id uuid not null primary key,
    name text not null check (length(name) between 1 and 200),
    slug text not null unique check (slug ~ '^[a-z0-9][a-z0-9-]{0,62}$'),
    mode text not null check (mode in ('live', 'test', 'sandbox')),
    status text not null check (status in ('active', 'suspended')),
    status_reason text not null default '',
    time_zone text not null,
    -- Production refuses whatever belongs to a tenant made for show: its keys are printed in the documentation.
    is_demo boolean not null default false,
    -- Whose sandbox it is; a tenant of its own names itself.
    root_id uuid not null references identity.tenants (tenant_id),
    created_at timestamptz not null
);
create index tenants_root on identity.tenants (root_id) where mode = 'sandbox';
select platform.protect('identity.tenants', 'select, insert, update');

create table identity.issuers (
    tenant_id uuid not null references identity.tenants (tenant_id),
    id uuid not null,
    legal_name text not null,
    address jsonb not null,
    vat_id text not null,
    registration text not null,
    email text not null,
    logo_svg text not null check (octet_length(logo_svg) <= 65536),
    number_format text not null,
    footer text not null,
    sender_name text not null,
    sender_email text not null,
    language text not null,
    terms_days integer not null check (terms_days between 0 and 365),
    is_default boolean not null,
    created_at timestamptz not null,
    primary key (tenant_id, id)
);
create unique index issuers_default on identity.issuers (tenant_id) where is_default;
select platform.protect('identity.issuers', 'select, insert, update');

create table identity.sandbox_clocks (
    tenant_id uuid not null primary key references identity.tenants (tenant_id),
    now_at timestamptz not null,
    target_at timestamptz,
    state text not null check (state in ('at_rest', 'advancing', 'failed')),
    detail text not null default '',
    constraint target_while_advancing check ((target_at is not null) = (state = 'advancing')),
    constraint target_ahead check (target_at is null or target_at >= now_at)
);
create index sandbox_clocks_advancing on identity.sandbox_clocks (tenant_id) where target_at is not null;
select platform.protect('identity.sandbox_clocks', 'select, insert, update');

-- Time has one direction, whoever asks.
create function identity.clock_goes_on() returns trigger
    language plpgsql
    as $$
begin
    if new.now_at < old.now_at then
        raise exception 'the clock of % cannot go back', old.tenant_id using errcode = 'check_violation';
    end if;
    return new;
end $$;
create trigger clock_goes_on before update on identity.sandbox_clocks
    for each row execute function identity.clock_goes_on();

create table identity.api_keys (
    tenant_id uuid not null references identity.tenants (tenant_id),
    id uuid not null,
    name text not null check (length(name) between 1 and 100),
    hint text not null,
    -- SHA-256 of the text, which is not kept. Unique over all tenants: it is how the tenant is found.
    hash bytea not null unique check (length(hash) = 32),
    role text not null check (role in ('admin', 'billing', 'member')),
    scopes text[] not null check (cardinality(scopes) between 1 and 50),
    created_by text not null,
    created_at timestamptz not null,
    expires_at timestamptz,
    revoked_at timestamptz,
    primary key (tenant_id, id)
);
select platform.protect('identity.api_keys', 'select, insert, update');

create table identity.token_trusts (
    tenant_id uuid not null references identity.tenants (tenant_id),
    id uuid not null,
    kind text not null check (kind in ('clerk', 'oidc', 'introspection')),
    issuer text not null check (length(issuer) between 1 and 500),
    jwks_url text not null,
    public_key_pem text not null,
    audience text not null,
    authorized_parties text[] not null,
    introspection_url text not null,
    client_id text not null,
    sealed_client_secret bytea not null,
    organization_claim text not null,
    role_claim text not null,
    created_at timestamptz not null,
    primary key (tenant_id, id)
);
create index token_trusts_issuer on identity.token_trusts (issuer, created_at);
select platform.protect('identity.token_trusts');

create table identity.members (
    tenant_id uuid not null references identity.tenants (tenant_id),
    id uuid not null,
    sealed_email bytea not null,
    email_hash bytea not null,
    role text not null check (role in ('admin', 'billing', 'member')),
    -- issuer|sub, once the invited person has come in.
    subject text,
    created_at timestamptz not null,
    primary key (tenant_id, id),
    unique (tenant_id, email_hash),
    unique (tenant_id, subject)
);
select platform.protect('identity.members');

-- What must be known before the tenant is: each answers with (tenant_id, id) and no more.

create function identity.find_key(p_hash bytea) returns table (tenant_id uuid, id uuid)
    language sql stable security definer set search_path = ''
    as $$ select k.tenant_id, k.id from identity.api_keys k where k.hash = p_hash $$;

-- The first registered comes first: where two tenants' trusts fit a token, that one counts.
create function identity.find_trust(p_issuer text) returns table (tenant_id uuid, id uuid)
    language sql stable security definer set search_path = ''
    as $$
    select t.tenant_id, t.id from identity.token_trusts t
     where t.issuer = p_issuer order by t.created_at, t.id limit 100
$$;

create function identity.tenant_by_slug(p_slug text) returns table (tenant_id uuid, id uuid)
    language sql stable security definer set search_path = ''
    as $$ select t.tenant_id, t.tenant_id from identity.tenants t where t.slug = p_slug $$;

create function identity.sandboxes() returns table (tenant_id uuid, id uuid)
    language sql stable security definer set search_path = ''
    as $$
    select t.tenant_id, t.tenant_id from identity.tenants t
     where t.mode = 'sandbox' and t.status = 'active' order by t.tenant_id
$$;

create function identity.advancing() returns table (tenant_id uuid, id uuid)
    language sql stable security definer set search_path = ''
    as $$
    select c.tenant_id, c.tenant_id from identity.sandbox_clocks c
      join identity.tenants t on t.tenant_id = c.tenant_id
     where c.target_at is not null and t.status = 'active' order by c.tenant_id
$$;

create function identity.sandboxes_of(p_root uuid) returns table (tenant_id uuid, id uuid)
    language sql stable security definer set search_path = ''
    as $$
    select t.tenant_id, t.tenant_id from identity.tenants t
     where t.mode = 'sandbox' and t.root_id = p_root order by t.tenant_id
$$;

do $$
declare
    name regprocedure;
begin
    foreach name in array array[
        'identity.find_key(bytea)', 'identity.find_trust(text)', 'identity.tenant_by_slug(text)',
        'identity.sandboxes()', 'identity.advancing()', 'identity.sandboxes_of(uuid)']::regprocedure[]
    loop
        execute format('revoke all on function %s from public', name);
        execute format('grant execute on function %s to guilder_app', name);
    end loop;
end $$;
