-- Outgoing webhooks: where tenants want events sent, what was sent there, and how that went.

select platform.open_room('webhooks');

create table webhooks.endpoints (
    tenant_id uuid not null references identity.tenants (tenant_id),
    id uuid not null,
    url text not null check (length(url) between 1 and 2048),
    -- Names of events, or beginnings of them: `invoicing.*`, `*`.
    events text[] not null check (cardinality(events) between 1 and 100),
    description text not null,
    is_thin boolean not null,
    allows_loopback boolean not null,
    -- whsec_…, sealed under the tenant's own key; null once the endpoint is deleted. The one before signs too, for a while.
    sealed_secret bytea,
    sealed_previous bytea,
    previous_until timestamptz,
    created_at timestamptz not null,
    -- Since when it asks for what it asks for now.
    configured_at timestamptz not null,
    last_success_at timestamptz,
    last_failure_at timestamptz,
    failing_since timestamptz,
    failures int not null default 0 check (failures >= 0),
    disabled_at timestamptz,
    disabled_reason text,
    deleted_at timestamptz,
    primary key (tenant_id, id),
    check ((sealed_previous is null) = (previous_until is null)),
    check ((disabled_at is null) = (disabled_reason is null)),
    check ((sealed_secret is null) = (deleted_at is not null)),
    check ((failures = 0) = (failing_since is null))
) with (fillfactor = 70);
create index endpoints_in_use on webhooks.endpoints (tenant_id) where deleted_at is null and disabled_at is null;
select platform.protect('webhooks.endpoints', 'select, insert, update');

-- One event for one endpoint: the id is the `webhook-id` of every attempt at it, and the body is what each of them sends.
create table webhooks.messages (
    tenant_id uuid not null,
    id uuid not null,
    endpoint_id uuid not null,
    -- Drawn while the endpoint's row is locked: the order in which events were heard.
    sequence bigint generated always as identity,
    event_id uuid not null,
    event_name text not null,
    -- Whose first attempts go out one after another: the customer, or what else orders the event.
    line uuid not null,
    customer_id uuid,
    body text not null check (octet_length(body) < 20480),
    occurred_at timestamptz not null,
    created_at timestamptz not null,
    status text not null default 'pending' check (status in ('pending', 'delivered', 'dead')),
    -- Null while the first attempt is still to end: nothing later of its line begins before that.
    first_ended_at timestamptz,
    -- Whether an attempt is under way, and when the next one is to be, if there is to be one.
    is_out boolean not null default false,
    due_at timestamptz,
    -- Failures since it began, or was last replayed; and all attempts there ever were.
    tries int not null default 0 check (tries >= 0),
    attempts int not null default 0 check (attempts >= 0),
    ended_at timestamptz,
    reason text not null default '',
    primary key (tenant_id, id),
    unique (tenant_id, endpoint_id, event_id),
    foreign key (tenant_id, endpoint_id) references webhooks.endpoints (tenant_id, id),
    check (due_at is null or not is_out),
    check ((ended_at is null) = (status = 'pending')),
    check (status <> 'dead' or first_ended_at is not null or reason <> '')
) with (fillfactor = 70);
create index messages_lines on webhooks.messages (tenant_id, endpoint_id, line, sequence)
    where status = 'pending' and first_ended_at is null;
create index messages_open on webhooks.messages (tenant_id, endpoint_id)
    where status = 'pending' or due_at is not null or is_out;
create index messages_due on webhooks.messages (due_at) where due_at is not null;
create index messages_by_endpoint on webhooks.messages (tenant_id, endpoint_id, id);
create index messages_old on webhooks.messages (created_at);
select platform.protect('webhooks.messages', 'select, insert, update');

-- What was delivered never becomes failed, whoever asks.
create function webhooks.refuse_undelivering() returns trigger
    language plpgsql set search_path = ''
    as $$
begin
    raise exception 'message % was delivered, and stays so', old.id using errcode = 'integrity_constraint_violation';
end $$;
create trigger delivered_stays before update on webhooks.messages
    for each row when (old.status = 'delivered' and new.status <> 'delivered')
    execute function webhooks.refuse_undelivering();

create table webhooks.attempts (
    tenant_id uuid not null,
    id uuid not null,
    message_id uuid not null,
    attempted_at timestamptz not null,
    -- The answer's status, where there was an answer; its first 2 kB; what went wrong, in words.
    status int check (status between 100 and 999),
    duration_ms int not null check (duration_ms >= 0),
    answer text not null,
    error text not null,
    primary key (tenant_id, id),
    foreign key (tenant_id, message_id) references webhooks.messages (tenant_id, id) on delete cascade
);
create index attempts_by_message on webhooks.attempts (tenant_id, message_id, id);
select platform.protect('webhooks.attempts', 'select, insert');

create function webhooks.retries_due(p_tenant uuid, p_now timestamptz, p_limit int)
    returns table (tenant_id uuid, id uuid, due_at timestamptz)
    language sql stable security definer set search_path = ''
    as $$
        select m.tenant_id, m.id, m.due_at
        from webhooks.messages m
        join identity.tenants t on t.tenant_id = m.tenant_id
        where m.due_at is not null and m.due_at <= p_now and t.status = 'active'
          and case when p_tenant is null then t.mode <> 'sandbox' else m.tenant_id = p_tenant end
        order by m.due_at limit p_limit
    $$;

-- What was sent long ago. What is still to be sent stays, and so does what a sandbox sent after `p_before` of its time.
create function webhooks.purge(p_before timestamptz, p_limit int) returns bigint
    language sql volatile security definer set search_path = ''
    as $$
    with old as (
        select m.tenant_id, m.id from webhooks.messages m
         where m.created_at < p_before and m.status <> 'pending' and not m.is_out and m.due_at is null
         order by m.created_at limit p_limit for update skip locked
    ), gone as (
        delete from webhooks.messages m using old where (m.tenant_id, m.id) = (old.tenant_id, old.id) returning 1
    )
    select count(*) from gone
    $$;

revoke execute on function webhooks.retries_due(uuid, timestamptz, int), webhooks.purge(timestamptz, int) from public;
grant execute on function webhooks.retries_due(uuid, timestamptz, int), webhooks.purge(timestamptz, int) to guilder_app;
