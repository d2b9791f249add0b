-- Time: starts on a date, stubs, changes and ends on a date, pauses, add-ons, and what is billed when it is over.

alter table subscriptions.subscriptions
    add column pending_at timestamptz,
    add column starts_at timestamptz,
    add column full_period_start timestamptz,
    add column full_period_end timestamptz,
    add column parent_id uuid,
    add column cancel_at timestamptz,
    add column pause_at_period_end boolean not null default false,
    add column paused_at timestamptz,
    add column resume_at timestamptz,
    add column fee_from timestamptz,
    add column usage_from timestamptz,
    add column terms_days integer check (terms_days between 0 and 3650),
    add foreign key (tenant_id, parent_id) references subscriptions.subscriptions (tenant_id, id),
    add check (parent_id <> id),
    add check ((full_period_start is null) = (full_period_end is null)),
    add check (full_period_start < full_period_end),
    -- The states that the previous release knows stay as they were; two are new.
    drop constraint subscriptions_status_check,
    add constraint subscriptions_status_check check (
        status in ('scheduled', 'processing', 'trialing', 'active', 'past_due', 'paused', 'suspended', 'canceled',
                   'expired')),
    add constraint subscriptions_paused_check check ((paused_at is not null) or status <> 'paused'),
    -- A grid may have begun long before or after the subscription that stands on it: its numbers may be anything.
    drop constraint subscriptions_period_number_check,
    drop constraint subscriptions_check2,
    add constraint subscriptions_due_check check (
        next_due_at is null or status in ('scheduled', 'trialing', 'active', 'past_due', 'paused'));
create index subscriptions_by_parent on subscriptions.subscriptions (tenant_id, parent_id) where parent_id is not null;

-- A pause is dated by its own instant; what begins after it, by the period that begins.
create or replace function subscriptions.log_state() returns trigger
    language plpgsql set search_path = ''
    as $$
begin
    insert into subscriptions.states (tenant_id, subscription_id, from_status, to_status, at)
        select n.tenant_id, n.id, o.status, n.status,
               coalesce(n.ended_at, case n.status when 'paused' then n.paused_at end, n.current_period_start)
        from new_rows n join old_rows o on o.tenant_id = n.tenant_id and o.id = n.id
        where o.status <> n.status;
    return null;
end $$;

-- Stretches of time on the same terms that are billed when they are over: a fee in arrears, or use.
create table subscriptions.segments (
    tenant_id uuid not null,
    id uuid not null,
    subscription_id uuid not null,
    customer_id uuid not null,
    kind text not null check (kind in ('fee', 'usage')),
    period_start timestamptz not null,
    period_end timestamptz not null,
    full_period_start timestamptz not null,
    full_period_end timestamptz not null,
    terms jsonb not null,
    due_at timestamptz not null,
    closes_period boolean not null,
    billed_at timestamptz,
    late_seen bigint not null default 0,
    primary key (tenant_id, id),
    unique (tenant_id, subscription_id, kind, period_start),
    foreign key (tenant_id, subscription_id) references subscriptions.subscriptions (tenant_id, id),
    foreign key (tenant_id, customer_id) references customers.customers (tenant_id, id),
    check (period_start < period_end),
    check (full_period_start < full_period_end),
    check (due_at >= period_end)
);
create index segments_due on subscriptions.segments (due_at) where billed_at is null;
create index segments_by_customer on subscriptions.segments (tenant_id, customer_id);
select platform.protect('subscriptions.segments', 'select, insert, update');

create function subscriptions.segments_due(p_tenant uuid, p_now timestamptz, p_limit int)
    returns table (tenant_id uuid, id uuid, due_at timestamptz)
    language sql stable security definer set search_path = ''
    as $$
        select s.tenant_id, s.id, s.due_at
        from subscriptions.segments s
        join identity.tenants t on t.tenant_id = s.tenant_id
        where s.due_at <= p_now and s.billed_at is null and t.status = 'active'
          and case when p_tenant is null then t.mode <> 'sandbox' else s.tenant_id = p_tenant end
        order by s.due_at limit p_limit
    $$;
revoke execute on function subscriptions.segments_due(uuid, timestamptz, int) from public;
grant execute on function subscriptions.segments_due(uuid, timestamptz, int) to guilder_app;
