-- Dunning that one can see: every change of a case with its reason and who made it, cases that stand still, and policies
-- that know pay days, other methods and single plans.

alter table dunning.policies
    add column stops_at_hard_decline boolean not null default true,
    add column falls_back boolean not null default true,
    add column pay_day_aware boolean not null default false,
    add column retry_hour integer check (retry_hour between 0 and 23),
    drop constraint policies_final_action_check,
    add constraint policies_final_action_check check (final_action in ('suspend', 'cancel', 'leave_past_due'));

-- What holds for the cases of one plan, instead of the tenant's own.
create table dunning.plan_policies (
    tenant_id uuid not null,
    plan_id uuid not null,
    retry_days integer[] not null,
    reminder_every_days integer not null check (reminder_every_days between 1 and 365),
    reminders_max integer not null check (reminders_max between 0 and 100),
    final_action text not null check (final_action in ('suspend', 'cancel', 'leave_past_due')),
    blocks_at_first_failure boolean not null,
    grace_days integer not null check (grace_days between 0 and 365),
    stops_at_hard_decline boolean not null,
    falls_back boolean not null,
    pay_day_aware boolean not null,
    retry_hour integer check (retry_hour between 0 and 23),
    changed_at timestamptz not null,
    primary key (tenant_id, plan_id),
    foreign key (tenant_id, plan_id) references catalog.plans (tenant_id, id)
);
select platform.protect('dunning.plan_policies', 'select, insert, update, delete');

alter table dunning.cases
    -- The plan whose policy holds: that of every subscription on the invoice, where it is one and the same.
    add column plan_id uuid,
    add column is_hard boolean not null default false,
    -- A paused case keeps its dates; nobody looks at them before it goes on.
    add column paused_from text check (paused_from in ('open', 'exhausted')),
    add column paused_until timestamptz,
    drop constraint cases_status_check,
    add constraint cases_status_check check (status in ('open', 'exhausted', 'paused', 'recovered', 'closed')),
    drop constraint cases_check1,
    add constraint cases_retried_while_open
        check (next_retry_at is null or status = 'open' or (status = 'paused' and paused_from = 'open')),
    add constraint cases_paused_from_somewhere
        check ((status = 'paused') = (paused_from is not null) and (paused_until is null or status = 'paused'));
create index cases_to_resume on dunning.cases (paused_until) where paused_until is not null;
drop index dunning.cases_by_shared_subscription;
create index cases_by_shared_subscription on dunning.cases using gin (subscription_ids)
    where status in ('open', 'exhausted', 'paused');

-- What happened to a case, in its order: written with each change, never changed.
create table dunning.changes (
    tenant_id uuid not null,
    case_id uuid not null,
    n integer not null check (n >= 1),
    at timestamptz not null,
    change text not null check (change in ('opened', 'failed', 'retried', 'fell_back', 'reminded', 'exhausted', 'blocked',
        'paused', 'resumed', 'recovered', 'closed', 'given_up', 'forgiven')),
    from_status text,
    to_status text not null,
    reason text not null,  -- a decline code, or a person's words
    actor text not null,
    payment_id uuid,
    next_retry_at timestamptz,
    primary key (tenant_id, case_id, n),
    foreign key (tenant_id, case_id) references dunning.cases (tenant_id, id),
    check ((from_status is null) = (change = 'opened'))
);
select platform.protect('dunning.changes', 'select, insert');

create or replace function dunning.retries_due(p_tenant uuid, p_now timestamptz, p_limit int)
    returns table (tenant_id uuid, id uuid, due_at timestamptz)
    language sql stable security definer set search_path = ''
    as $$
        select c.tenant_id, c.id, c.next_retry_at
        from dunning.cases c
        join identity.tenants t on t.tenant_id = c.tenant_id
        where c.next_retry_at is not null and c.next_retry_at <= p_now and t.status = 'active' and c.status <> 'paused'
          and case when p_tenant is null then t.mode <> 'sandbox' else c.tenant_id = p_tenant end
        order by c.next_retry_at limit p_limit
    $$;

create or replace function dunning.reminders_due(p_tenant uuid, p_now timestamptz, p_limit int)
    returns table (tenant_id uuid, id uuid, due_at timestamptz)
    language sql stable security definer set search_path = ''
    as $$
        select c.tenant_id, c.id, c.next_reminder_at
        from dunning.cases c
        join identity.tenants t on t.tenant_id = c.tenant_id
        where c.next_reminder_at is not null and c.next_reminder_at <= p_now and t.status = 'active'
          and c.status <> 'paused'
          and case when p_tenant is null then t.mode <> 'sandbox' else c.tenant_id = p_tenant end
        order by c.next_reminder_at limit p_limit
    $$;

create or replace function dunning.blocks_due(p_tenant uuid, p_now timestamptz, p_limit int)
    returns table (tenant_id uuid, id uuid, due_at timestamptz)
    language sql stable security definer set search_path = ''
    as $$
        select c.tenant_id, c.id, c.block_at
        from dunning.cases c
        join identity.tenants t on t.tenant_id = c.tenant_id
        where c.block_at is not null and c.block_at <= p_now and t.status = 'active' and c.status <> 'paused'
          and case when p_tenant is null then t.mode <> 'sandbox' else c.tenant_id = p_tenant end
        order by c.block_at limit p_limit
    $$;

create function dunning.resumes_due(p_tenant uuid, p_now timestamptz, p_limit int)
    returns table (tenant_id uuid, id uuid, due_at timestamptz)
    language sql stable security definer set search_path = ''
    as $$
        select c.tenant_id, c.id, c.paused_until
        from dunning.cases c
        join identity.tenants t on t.tenant_id = c.tenant_id
        where c.paused_until is not null and c.paused_until <= p_now and t.status = 'active'
          and case when p_tenant is null then t.mode <> 'sandbox' else c.tenant_id = p_tenant end
        order by c.paused_until limit p_limit
    $$;
revoke execute on function dunning.resumes_due(uuid, timestamptz, int) from public;
grant execute on function dunning.resumes_due(uuid, timestamptz, int) to guilder_app;
