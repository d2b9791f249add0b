-- How staff sign in: passwords of their own, sessions, and what is kept of tries.

-- With a client of ours at the issuer, its people sign in here: `client_id` says so. Without these addresses they are
-- looked for in the issuer's discovery document.
alter table identity.token_trusts
    add column authorization_url text not null default '',
    add column token_url text not null default '',
    add column acr_values text[] not null default '{}';

create table identity.passwords (
    tenant_id uuid not null,
    -- The member's.
    id uuid not null,
    -- argon2id, with its salt and its parameters in it.
    hash text not null check (hash like '$argon2id$%'),
    changed_at timestamptz not null,
    primary key (tenant_id, id),
    foreign key (tenant_id, id) references identity.members (tenant_id, id) on delete cascade
);
select platform.protect('identity.passwords');

create table identity.sessions (
    tenant_id uuid not null,
    id uuid not null,
    member_id uuid not null,
    -- SHA-256 of the cookie's 256 random bits, which are not kept. Unique over all tenants: it finds the tenant.
    hash bytea not null unique check (length(hash) = 32),
    -- The token trust that the person came by; none with a password.
    trust_id uuid,
    created_at timestamptz not null,
    last_seen_at timestamptz not null,
    verified_at timestamptz,
    expires_at timestamptz not null,
    ended_at timestamptz,
    end_reason text not null default '',
    -- The browser's family and the network, for the person to know the session by: neither whole.
    agent text not null check (length(agent) <= 40),
    address text not null check (length(address) <= 45),
    primary key (tenant_id, id),
    foreign key (tenant_id, member_id) references identity.members (tenant_id, id) on delete cascade,
    constraint expires_after_it_began check (expires_at > created_at)
);
create index sessions_member on identity.sessions (tenant_id, member_id) where ended_at is null;
create index sessions_purged on identity.sessions (expires_at);
select platform.protect('identity.sessions');

-- Tries to sign in to one address, whether it is anybody's or nobody's: what is not known must look the same.
create table identity.sign_in_tries (
    tenant_id uuid not null references identity.tenants (tenant_id),
    email_hash bytea not null,
    tries integer not null,
    last_at timestamptz not null,
    next_at timestamptz not null,
    primary key (tenant_id, email_hash)
);
create index sign_in_tries_purged on identity.sign_in_tries (last_at);
select platform.protect('identity.sign_in_tries');

-- States of the code flow that have come back: each does once.
create table identity.used_states (
    tenant_id uuid not null references identity.tenants (tenant_id),
    hash bytea not null,
    expires_at timestamptz not null,
    primary key (tenant_id, hash)
);
create index used_states_purged on identity.used_states (expires_at);
select platform.protect('identity.used_states', 'select, insert');

create function identity.find_session(p_hash bytea) returns table (tenant_id uuid, id uuid)
    language sql stable security definer set search_path = ''
    as $$ select s.tenant_id, s.id from identity.sessions s where s.hash = p_hash $$;

-- What is over is forgotten: sessions some months after their end, tries after a day, states when they are void anyway.
create function identity.purge_sign_ins(p_sessions timestamptz, p_tries timestamptz, p_limit integer) returns bigint
    language plpgsql security definer set search_path = ''
    as $$
declare
    gone bigint; more bigint;
begin
    delete from identity.sessions s where (s.tenant_id, s.id) in (
        select o.tenant_id, o.id from identity.sessions o where o.expires_at < p_sessions limit p_limit);
    get diagnostics gone = row_count;
    delete from identity.sign_in_tries t where (t.tenant_id, t.email_hash) in (
        select o.tenant_id, o.email_hash from identity.sign_in_tries o where o.last_at < p_tries limit p_limit);
    get diagnostics more = row_count;
    gone := gone + more;
    delete from identity.used_states u where (u.tenant_id, u.hash) in (
        select o.tenant_id, o.hash from identity.used_states o where o.expires_at < p_tries limit p_limit);
    get diagnostics more = row_count;
    return gone + more;
end $$;

revoke execute on function identity.find_session(bytea),
    identity.purge_sign_ins(timestamptz, timestamptz, integer) from public;
grant execute on function identity.find_session(bytea),
    identity.purge_sign_ins(timestamptz, timestamptz, integer) to guilder_app;
