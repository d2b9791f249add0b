-- When to try again, what then, and when access ends. One case an invoice; each has three instants that a clock watches.

select platform.open_room('dunning');

create table dunning.policies (
    tenant_id uuid not null,
    retry_days integer[] not null,
    reminder_every_days integer not null check (reminder_every_days between 1 and 365),
    reminders_max integer not null check (reminders_max between 0 and 100),
    final_action text not null check (final_action in ('suspend', 'cancel')),
    blocks_at_first_failure boolean not null,
    grace_days integer not null check (grace_days between 0 and 365),
    changed_at timestamptz not null,
    primary key (tenant_id),
    foreign key (tenant_id) references identity.tenants (tenant_id)
);
select platform.protect('dunning.policies', 'select, insert, update');

create table dunning.cases (
    tenant_id uuid not null,
    id uuid not null,
    customer_id uuid not null,
    invoice_id uuid not null,
    subscription_id uuid,
    status text not null check (status in ('open', 'exhausted', 'recovered', 'closed')),
    retries_made integer not null check (retries_made >= 0),
    first_failed_at timestamptz not null,
    last_failed_at timestamptz not null,
    last_decline_code text not null,
    opened_at timestamptz not null,
    next_retry_at timestamptz,
    next_reminder_at timestamptz,
    block_at timestamptz,
    reminders_sent integer not null check (reminders_sent >= 0),
    is_blocking boolean not null,
    closed_at timestamptz,
    primary key (tenant_id, id),
    unique (tenant_id, invoice_id),
    foreign key (tenant_id, customer_id) references customers.customers (tenant_id, id),
    foreign key (tenant_id, invoice_id) references invoicing.invoices (tenant_id, id),
    foreign key (tenant_id, subscription_id) references subscriptions.subscriptions (tenant_id, id),
    check ((closed_at is not null) = (status in ('recovered', 'closed'))),
    check (next_retry_at is null or status = 'open'),
    check (closed_at is null or (next_reminder_at is null and block_at is null))
) with (fillfactor = 80);
create index cases_by_customer on dunning.cases (tenant_id, customer_id, id);
create index cases_by_subscription on dunning.cases (tenant_id, subscription_id, id) where subscription_id is not null;
create index cases_to_retry on dunning.cases (next_retry_at) where next_retry_at is not null;
create index cases_to_remind on dunning.cases (next_reminder_at) where next_reminder_at is not null;
create index cases_to_block on dunning.cases (block_at) where block_at is not null;
select platform.protect('dunning.cases', 'select, insert, update');

-- Each failed payment that counted, once: hearing of it again changes nothing.
create table dunning.failures (
    tenant_id uuid not null,
    payment_id uuid not null,
    case_id uuid not null,
    failed_at timestamptz not null,
    decline_code text not null,
    is_hard boolean not null,
    primary key (tenant_id, payment_id),
    foreign key (tenant_id, case_id) references dunning.cases (tenant_id, id)
);
create index failures_by_case on dunning.failures (tenant_id, case_id, failed_at);
select platform.protect('dunning.failures', 'select, insert');

create function dunning.retries_due(p_tenant uuid, p_now timestamptz, p_limit int)
    returns table (tenant_id uuid, id uuid, due_at timestamptz)
    language sql stable security definer set search_path = ''
    as $$
        select c.tenant_id, c.id, c.next_retry_at
        from dunning.cases c
        join identity.tenants t on t.tenant_id = c.tenant_id
        where c.next_retry_at is not null and c.next_retry_at <= p_now and t.status = 'active'
          and case when p_tenant is null then t.mode <> 'sandbox' else c.tenant_id = p_tenant end
        order by c.next_retry_at limit p_limit
    $$;
revoke execute on function dunning.retries_due(uuid, timestamptz, int) from public;
grant execute on function dunning.retries_due(uuid, timestamptz, int) to guilder_app;

create function dunning.reminders_due(p_tenant uuid, p_now timestamptz, p_limit int)
    returns table (tenant_id uuid, id uuid, due_at timestamptz)
    language sql stable security definer set search_path = ''
    as $$
        select c.tenant_id, c.id, c.next_reminder_at
        from dunning.cases c
        join identity.tenants t on t.tenant_id = c.tenant_id
        where c.next_reminder_at is not null and c.next_reminder_at <= p_now and t.status = 'active'
          and case when p_tenant is null then t.mode <> 'sandbox' else c.tenant_id = p_tenant end
        order by c.next_reminder_at limit p_limit
    $$;
revoke execute on function dunning.reminders_due(uuid, timestamptz, int) from public;
grant execute on function dunning.reminders_due(uuid, timestamptz, int) to guilder_app;

create function dunning.blocks_due(p_tenant uuid, p_now timestamptz, p_limit int)
    returns table (tenant_id uuid, id uuid, due_at timestamptz)
    language sql stable security definer set search_path = ''
    as $$
        select c.tenant_id, c.id, c.block_at
        from dunning.cases c
        join identity.tenants t on t.tenant_id = c.tenant_id
        where c.block_at is not null and c.block_at <= p_now and t.status = 'active'
          and case when p_tenant is null then t.mode <> 'sandbox' else c.tenant_id = p_tenant end
        order by c.block_at limit p_limit
    $$;
revoke execute on function dunning.blocks_due(uuid, timestamptz, int) from public;
grant execute on function dunning.blocks_due(uuid, timestamptz, int) to guilder_app;
