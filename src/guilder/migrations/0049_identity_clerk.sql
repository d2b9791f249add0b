-- Whose tokens count no more; what Clerk is asked and heard with; and suspension that reaches everything of a tenant's.

-- 1. What was heard of people, memberships and sessions that ended: tokens from before it count no more.

create table identity.revocations (
    tenant_id uuid not null references identity.tenants (tenant_id),
    id uuid not null,
    issuer text not null check (length(issuer) between 1 and 500),
    -- Whom it is about. Empty means any: a user, one in an organization, all of an organization, one session.
    subject text not null check (length(subject) <= 500),
    organization text not null check (length(organization) <= 500),
    session text not null check (length(session) <= 500),
    what text not null check (what in ('ended', 'role')),
    -- `role`: the most that a token from before may do in that organization.
    role text not null check (role in ('', 'admin', 'billing', 'member')),
    -- By the issuer's own clock; of two that are about the same, the later one holds.
    since timestamptz not null,
    told_by text not null,
    heard_at timestamptz not null,
    primary key (tenant_id, id),
    unique (tenant_id, issuer, subject, organization, session, what),
    check (subject <> '' or organization <> '' or session <> ''),
    check ((what = 'role') = (role <> ''))
);
select platform.protect('identity.revocations');

-- 2. Clerk's keys of a trust.

create table identity.clerk_keys (
    tenant_id uuid not null,
    id uuid not null,
    sealed_secret_key bytea not null,
    secret_key_hint text not null,
    sealed_webhook_secret bytea not null,
    changed_at timestamptz not null,
    primary key (tenant_id, id),
    foreign key (tenant_id, id) references identity.token_trusts (tenant_id, id) on delete cascade
);
select platform.protect('identity.clerk_keys');

-- 3. What issuers told us, each once, as it came. Sealed: it names people.

create table identity.notices (
    tenant_id uuid not null references identity.tenants (tenant_id),
    id uuid not null,
    trust_id uuid not null,
    notice_id text not null check (length(notice_id) between 1 and 255),
    type text not null check (length(type) <= 100),
    -- Why nothing follows from it: "" if something does.
    ignored_because text not null,
    sealed_body bytea not null,
    received_at timestamptz not null,
    primary key (tenant_id, id),
    unique (tenant_id, trust_id, notice_id)
);
create index notices_received on identity.notices (tenant_id, received_at);
select platform.protect('identity.notices', 'select, insert, delete');

create function identity.find_notified(p_trust uuid) returns table (tenant_id uuid, id uuid)
    language sql stable security definer set search_path = ''
    as $$ select t.tenant_id, t.id from identity.token_trusts t where t.id = p_trust $$;
revoke execute on function identity.find_notified(uuid) from public;
grant execute on function identity.find_notified(uuid) to guilder_app;

-- 4. Suspension.

-- True where it is suspended because its root is: it is let in again with it.
alter table identity.tenants add column follows_root boolean not null default false;

-- Whatever release writes the status: nothing of a suspended tenant goes out.
create function identity.hold_suspended() returns trigger
    language plpgsql set search_path = ''
    as $$
begin
    if new.status = 'suspended' then
        insert into platform.held_tenants (tenant_id) values (new.tenant_id) on conflict do nothing;
    else
        delete from platform.held_tenants h where h.tenant_id = new.tenant_id;
    end if;
    return null;
end $$;
create trigger hold_suspended after update of status on identity.tenants
    for each row when (old.status is distinct from new.status) execute function identity.hold_suspended();

update identity.tenants s set status = 'suspended', status_reason = 'its root is suspended', follows_root = true
  from identity.tenants r
 where s.root_id = r.tenant_id and s.mode = 'sandbox' and s.status = 'active' and r.status = 'suspended';
insert into platform.held_tenants (tenant_id)
    select t.tenant_id from identity.tenants t where t.status = 'suspended' on conflict do nothing;
