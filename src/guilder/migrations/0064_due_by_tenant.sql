-- A tenant with a million due does not starve one with ten: what is due of one tenant is a step into an index, too, so
-- that a batch can be shared between all that have something due (platform/jobs/sharing.py).

create index subscriptions_due_of_tenant on subscriptions.subscriptions (tenant_id, next_due_at)
    where next_due_at is not null;
create index segments_due_of_tenant on subscriptions.segments (tenant_id, due_at)
    where billed_at is null;
create index subscriptions_trial_reminders_of_tenant on subscriptions.subscriptions (tenant_id, trial_reminder_due_at)
    where trial_reminder_due_at is not null;
create index subscriptions_renewal_reminders_of_tenant on subscriptions.subscriptions (tenant_id, renewal_reminder_due_at)
    where renewal_reminder_due_at is not null;
create index cases_to_retry_of_tenant on dunning.cases (tenant_id, next_retry_at)
    where next_retry_at is not null;
create index cases_to_remind_of_tenant on dunning.cases (tenant_id, next_reminder_at)
    where next_reminder_at is not null;
create index cases_to_block_of_tenant on dunning.cases (tenant_id, block_at)
    where block_at is not null;
create index requests_due_of_tenant on gateways.requests (tenant_id, check_due_at)
    where check_due_at is not null;
create index messages_due_of_tenant on webhooks.messages (tenant_id, due_at)
    where due_at is not null;

-- Two branches and not one condition: a plan is made for all values of p_tenant, and the branch that is not asked for
-- costs nothing. `any (array[…])` and the order by tenant, and not an equation: with it a planner may think it cheaper to
-- walk over everybody's in the order of time, which with a million of another tenant's it is not. And one plan for all
-- calls: made anew for each (as PostgreSQL 18 would), planning takes many times as long as finding.

create or replace function subscriptions.due(p_tenant uuid, p_now timestamptz, p_limit int)
    returns table (tenant_id uuid, id uuid, due_at timestamptz)
    language sql stable security definer set search_path = '' set plan_cache_mode = force_generic_plan
    as $$
        (select s.tenant_id, s.id, s.next_due_at
           from subscriptions.subscriptions s
           join identity.tenants t on t.tenant_id = s.tenant_id
          where p_tenant is null and s.next_due_at <= p_now
            and t.status = 'active' and t.mode <> 'sandbox'
          order by s.next_due_at limit p_limit)
        union all
        (select s.tenant_id, s.id, s.next_due_at
           from subscriptions.subscriptions s
          where s.tenant_id = any (array[p_tenant]) and s.next_due_at <= p_now
            and exists (select from identity.tenants t where t.tenant_id = p_tenant and t.status = 'active')
          order by s.tenant_id, s.next_due_at limit p_limit)
    $$;

create or replace function subscriptions.segments_due(p_tenant uuid, p_now timestamptz, p_limit int)
    returns table (tenant_id uuid, id uuid, due_at timestamptz)
    language sql stable security definer set search_path = '' set plan_cache_mode = force_generic_plan
    as $$
        (select s.tenant_id, s.id, s.due_at
           from subscriptions.segments s
           join identity.tenants t on t.tenant_id = s.tenant_id
          where p_tenant is null and s.due_at <= p_now and s.billed_at is null
            and t.status = 'active' and t.mode <> 'sandbox'
          order by s.due_at limit p_limit)
        union all
        (select s.tenant_id, s.id, s.due_at
           from subscriptions.segments s
          where s.tenant_id = any (array[p_tenant]) and s.due_at <= p_now and s.billed_at is null
            and exists (select from identity.tenants t where t.tenant_id = p_tenant and t.status = 'active')
          order by s.tenant_id, s.due_at limit p_limit)
    $$;

create or replace function subscriptions.trial_reminders_due(p_tenant uuid, p_now timestamptz, p_limit int)
    returns table (tenant_id uuid, id uuid, due_at timestamptz)
    language sql stable security definer set search_path = '' set plan_cache_mode = force_generic_plan
    as $$
        (select s.tenant_id, s.id, s.trial_reminder_due_at
           from subscriptions.subscriptions s
           join identity.tenants t on t.tenant_id = s.tenant_id
          where p_tenant is null and s.trial_reminder_due_at <= p_now
            and t.status = 'active' and t.mode <> 'sandbox'
          order by s.trial_reminder_due_at limit p_limit)
        union all
        (select s.tenant_id, s.id, s.trial_reminder_due_at
           from subscriptions.subscriptions s
          where s.tenant_id = any (array[p_tenant]) and s.trial_reminder_due_at <= p_now
            and exists (select from identity.tenants t where t.tenant_id = p_tenant and t.status = 'active')
          order by s.tenant_id, s.trial_reminder_due_at limit p_limit)
    $$;

create or replace function subscriptions.renewal_reminders_due(p_tenant uuid, p_now timestamptz, p_limit int)
    returns table (tenant_id uuid, id uuid, due_at timestamptz)
    language sql stable security definer set search_path = '' set plan_cache_mode = force_generic_plan
    as $$
        (select s.tenant_id, s.id, s.renewal_reminder_due_at
           from subscriptions.subscriptions s
           join identity.tenants t on t.tenant_id = s.tenant_id
          where p_tenant is null and s.renewal_reminder_due_at <= p_now
            and t.status = 'active' and t.mode <> 'sandbox'
          order by s.renewal_reminder_due_at limit p_limit)
        union all
        (select s.tenant_id, s.id, s.renewal_reminder_due_at
           from subscriptions.subscriptions s
          where s.tenant_id = any (array[p_tenant]) and s.renewal_reminder_due_at <= p_now
            and exists (select from identity.tenants t where t.tenant_id = p_tenant and t.status = 'active')
          order by s.tenant_id, s.renewal_reminder_due_at limit p_limit)
    $$;

create or replace function dunning.retries_due(p_tenant uuid, p_now timestamptz, p_limit int)
    returns table (tenant_id uuid, id uuid, due_at timestamptz)
    language sql stable security definer set search_path = '' set plan_cache_mode = force_generic_plan
    as $$
        (select c.tenant_id, c.id, c.next_retry_at
           from dunning.cases c
           join identity.tenants t on t.tenant_id = c.tenant_id
          where p_tenant is null and c.next_retry_at <= p_now and c.status <> 'paused'
            and t.status = 'active' and t.mode <> 'sandbox'
          order by c.next_retry_at limit p_limit)
        union all
        (select c.tenant_id, c.id, c.next_retry_at
           from dunning.cases c
          where c.tenant_id = any (array[p_tenant]) and c.next_retry_at <= p_now and c.status <> 'paused'
            and exists (select from identity.tenants t where t.tenant_id = p_tenant and t.status = 'active')
          order by c.tenant_id, c.next_retry_at limit p_limit)
    $$;

create or replace function dunning.reminders_due(p_tenant uuid, p_now timestamptz, p_limit int)
    returns table (tenant_id uuid, id uuid, due_at timestamptz)
    language sql stable security definer set search_path = '' set plan_cache_mode = force_generic_plan
    as $$
        (select c.tenant_id, c.id, c.next_reminder_at
           from dunning.cases c
           join identity.tenants t on t.tenant_id = c.tenant_id
          where p_tenant is null and c.next_reminder_at <= p_now and c.status <> 'paused'
            and t.status = 'active' and t.mode <> 'sandbox'
          order by c.next_reminder_at limit p_limit)
        union all
        (select c.tenant_id, c.id, c.next_reminder_at
           from dunning.cases c
          where c.tenant_id = any (array[p_tenant]) and c.next_reminder_at <= p_now and c.status <> 'paused'
            and exists (select from identity.tenants t where t.tenant_id = p_tenant and t.status = 'active')
          order by c.tenant_id, c.next_reminder_at limit p_limit)
    $$;

create or replace function dunning.blocks_due(p_tenant uuid, p_now timestamptz, p_limit int)
    returns table (tenant_id uuid, id uuid, due_at timestamptz)
    language sql stable security definer set search_path = '' set plan_cache_mode = force_generic_plan
    as $$
        (select c.tenant_id, c.id, c.block_at
           from dunning.cases c
           join identity.tenants t on t.tenant_id = c.tenant_id
          where p_tenant is null and c.block_at <= p_now and c.status <> 'paused'
            and t.status = 'active' and t.mode <> 'sandbox'
          order by c.block_at limit p_limit)
        union all
        (select c.tenant_id, c.id, c.block_at
           from dunning.cases c
          where c.tenant_id = any (array[p_tenant]) and c.block_at <= p_now and c.status <> 'paused'
            and exists (select from identity.tenants t where t.tenant_id = p_tenant and t.status = 'active')
          order by c.tenant_id, c.block_at limit p_limit)
    $$;

create or replace function gateways.requests_due(p_tenant uuid, p_now timestamptz, p_limit int)
    returns table (tenant_id uuid, id uuid, due_at timestamptz)
    language sql stable security definer set search_path = '' set plan_cache_mode = force_generic_plan
    as $$
        (select r.tenant_id, r.id, r.check_due_at
           from gateways.requests r
           join identity.tenants t on t.tenant_id = r.tenant_id
          where p_tenant is null and r.check_due_at <= p_now
            and t.status = 'active' and t.mode <> 'sandbox'
          order by r.check_due_at limit p_limit)
        union all
        (select r.tenant_id, r.id, r.check_due_at
           from gateways.requests r
          where r.tenant_id = any (array[p_tenant]) and r.check_due_at <= p_now
            and exists (select from identity.tenants t where t.tenant_id = p_tenant and t.status = 'active')
          order by r.tenant_id, r.check_due_at limit p_limit)
    $$;

create or replace function webhooks.retries_due(p_tenant uuid, p_now timestamptz, p_limit int)
    returns table (tenant_id uuid, id uuid, due_at timestamptz)
    language sql stable security definer set search_path = '' set plan_cache_mode = force_generic_plan
    as $$
        (select m.tenant_id, m.id, m.due_at
           from webhooks.messages m
           join identity.tenants t on t.tenant_id = m.tenant_id
          where p_tenant is null and m.due_at <= p_now
            and t.status = 'active' and t.mode <> 'sandbox'
          order by m.due_at limit p_limit)
        union all
        (select m.tenant_id, m.id, m.due_at
           from webhooks.messages m
          where m.tenant_id = any (array[p_tenant]) and m.due_at <= p_now
            and exists (select from identity.tenants t where t.tenant_id = p_tenant and t.status = 'active')
          order by m.tenant_id, m.due_at limit p_limit)
    $$;

-- Who lives on the wall clock and is not suspended, by id, so many after one.
create function identity.wall_clock_tenants(p_after uuid, p_limit int) returns table (tenant_id uuid)
    language sql stable security definer set search_path = ''
    as $$
        select t.tenant_id from identity.tenants t
         where t.mode <> 'sandbox' and t.status = 'active' and (p_after is null or t.tenant_id > p_after)
         order by t.tenant_id limit p_limit
    $$;
revoke execute on function identity.wall_clock_tenants(uuid, int) from public;
grant execute on function identity.wall_clock_tenants(uuid, int) to guilder_app;
