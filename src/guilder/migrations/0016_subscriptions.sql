-- Who has which plan. What was agreed is stored whole; what is due is found by one index.

select platform.open_room('subscriptions');

create table subscriptions.subscriptions (
    tenant_id uuid not null,
    id uuid not null,
    customer_id uuid not null,
    organization_id text not null,
    status text not null check (status in ('processing', 'trialing', 'active', 'past_due', 'suspended', 'canceled',
                                           'expired')),
    terms jsonb not null,
    pending_terms jsonb,
    plan_id uuid not null,
    currency text not null check (currency ~ '^[A-Z]{3}$'),
    anchor_at timestamptz not null,
    time_zone text not null,
    period_number integer not null check (period_number >= -1),
    current_period_start timestamptz not null,
    current_period_end timestamptz not null,
    trial_ends_at timestamptz,
    trial_reminder_due_at timestamptz,
    payment_method_id uuid,
    cancel_at_period_end boolean not null,
    canceled_at timestamptz,
    ended_at timestamptz,
    next_due_at timestamptz,
    metadata jsonb not null,
    created_at timestamptz not null,
    primary key (tenant_id, id),
    foreign key (tenant_id, customer_id) references customers.customers (tenant_id, id),
    foreign key (tenant_id, plan_id) references catalog.plans (tenant_id, id),
    check (current_period_start < current_period_end),
    check ((ended_at is not null) = (status in ('canceled', 'expired'))),
    check (next_due_at is null or status in ('trialing', 'active', 'past_due'))
) with (fillfactor = 80);
create index subscriptions_due on subscriptions.subscriptions (next_due_at) where next_due_at is not null;
create index subscriptions_trial_reminders on subscriptions.subscriptions (trial_reminder_due_at)
    where trial_reminder_due_at is not null;
create index subscriptions_by_customer on subscriptions.subscriptions (tenant_id, customer_id, id);
create index subscriptions_by_organization on subscriptions.subscriptions (tenant_id, organization_id, id);
select platform.protect('subscriptions.subscriptions', 'select, insert, update');

-- Every state that a subscription was in: what the books of its life are checked against.
create table subscriptions.states (
    tenant_id uuid not null,
    subscription_id uuid not null,
    id bigint generated always as identity,
    from_status text not null,
    to_status text not null,
    at timestamptz not null,
    primary key (tenant_id, subscription_id, id),
    foreign key (tenant_id, subscription_id) references subscriptions.subscriptions (tenant_id, id)
);
select platform.protect('subscriptions.states', 'select, insert');

create function subscriptions.log_state() returns trigger
    language plpgsql set search_path = ''
    as $$
begin
    insert into subscriptions.states (tenant_id, subscription_id, from_status, to_status, at)
        select n.tenant_id, n.id, o.status, n.status, coalesce(n.ended_at, n.current_period_start)
        from new_rows n join old_rows o on o.tenant_id = n.tenant_id and o.id = n.id
        where o.status <> n.status;
    return null;
end $$;
create trigger states after update on subscriptions.subscriptions
    referencing new table as new_rows old table as old_rows
    for each statement execute function subscriptions.log_state();

create function subscriptions.due(p_tenant uuid, p_now timestamptz, p_limit int)
    returns table (tenant_id uuid, id uuid, due_at timestamptz)
    language sql stable security definer set search_path = ''
    as $$
        select s.tenant_id, s.id, s.next_due_at
        from subscriptions.subscriptions s
        join identity.tenants t on t.tenant_id = s.tenant_id
        where s.next_due_at <= p_now and t.status = 'active'
          and case when p_tenant is null then t.mode <> 'sandbox' else s.tenant_id = p_tenant end
        order by s.next_due_at limit p_limit
    $$;
revoke execute on function subscriptions.due(uuid, timestamptz, int) from public;
grant execute on function subscriptions.due(uuid, timestamptz, int) to guilder_app;

create function subscriptions.trial_reminders_due(p_tenant uuid, p_now timestamptz, p_limit int)
    returns table (tenant_id uuid, id uuid, due_at timestamptz)
    language sql stable security definer set search_path = ''
    as $$
        select s.tenant_id, s.id, s.trial_reminder_due_at
        from subscriptions.subscriptions s
        join identity.tenants t on t.tenant_id = s.tenant_id
        where s.trial_reminder_due_at <= p_now and t.status = 'active'
          and case when p_tenant is null then t.mode <> 'sandbox' else s.tenant_id = p_tenant end
        order by s.trial_reminder_due_at limit p_limit
    $$;
revoke execute on function subscriptions.trial_reminders_due(uuid, timestamptz, int) from public;
grant execute on function subscriptions.trial_reminders_due(uuid, timestamptz, int) to guilder_app;
