-- What customers wish to hear, what a tenant may spend on saying it, where it did not arrive, in whose words; and when a
-- renewal is announced.

alter table notifications.notifications
    -- A receipt waits for its document, until then at most.
    add column held_until timestamptz,
    -- The day against whose limit it was counted; a message that is tried again is not counted again.
    add column counted_on date,
    -- The provider's id of a text: what it reports on later.
    add column provider_ref text not null default '',
    add column bounced_at timestamptz;
create index notifications_held on notifications.notifications (held_until)
    where held_until is not null and status = 'pending';
create index notifications_by_provider_ref on notifications.notifications (tenant_id, provider_ref)
    where provider_ref <> '';

create function notifications.held_due(p_tenant uuid, p_now timestamptz, p_limit int)
    returns table (tenant_id uuid, id uuid, due_at timestamptz)
    language sql stable security definer set search_path = ''
    as $$
        select n.tenant_id, n.id, n.held_until
        from notifications.notifications n
        join identity.tenants t on t.tenant_id = n.tenant_id
        where n.held_until <= p_now and n.held_until is not null and n.status = 'pending' and t.status = 'active'
          and case when p_tenant is null then t.mode <> 'sandbox' else n.tenant_id = p_tenant end
        order by n.held_until limit p_limit
    $$;
revoke execute on function notifications.held_due(uuid, timestamptz, int) from public;
grant execute on function notifications.held_due(uuid, timestamptz, int) to guilder_app;

-- What a customer wishes to hear of what it need not. Who has no row hears all of it.
create table notifications.preferences (
    tenant_id uuid not null,
    customer_id uuid not null,
    wants_reminders boolean not null,
    wants_renewal_notices boolean not null,
    wants_usage_alerts boolean not null,
    wants_sms boolean not null,
    changed_at timestamptz not null,
    primary key (tenant_id, customer_id),
    foreign key (tenant_id, customer_id) references customers.customers (tenant_id, id)
);
select platform.protect('notifications.preferences', 'select, insert, update');

-- Where messages do not arrive. The address is kept as a keyed digest that tells only whether it is still the same one.
create table notifications.bounces (
    tenant_id uuid not null,
    customer_id uuid not null,
    channel text not null check (channel in ('email', 'sms')),
    kind text not null check (kind in ('bounce', 'complaint')),
    address_digest bytea not null,
    reason text not null,
    bounced_at timestamptz not null,
    cleared_at timestamptz,
    primary key (tenant_id, customer_id, channel),
    foreign key (tenant_id, customer_id) references customers.customers (tenant_id, id)
);
select platform.protect('notifications.bounces', 'select, insert, update');

-- What a tenant may send; null is no limit. Texts are counted in segments, and their cost is estimated from them.
create table notifications.limits (
    tenant_id uuid not null,
    emails_per_day integer check (emails_per_day >= 0),
    emails_per_month integer check (emails_per_month >= 0),
    segments_per_day integer check (segments_per_day >= 0),
    segments_per_month integer check (segments_per_month >= 0),
    segment_price numeric check (segment_price > 0),
    currency text check (currency ~ '^[A-Z]{3}$'),
    cost_per_day bigint check (cost_per_day >= 0),
    cost_per_month bigint check (cost_per_month >= 0),
    changed_at timestamptz not null,
    primary key (tenant_id),
    foreign key (tenant_id) references identity.tenants (tenant_id),
    check ((segment_price is null) = (currency is null)),
    check (segment_price is not null or (cost_per_day is null and cost_per_month is null))
);
select platform.protect('notifications.limits', 'select, insert, update');

create table notifications.counts (
    tenant_id uuid not null,
    channel text not null check (channel in ('email', 'sms')),
    day date not null,
    units bigint not null check (units >= 0),
    is_told boolean not null,
    primary key (tenant_id, channel, day),
    foreign key (tenant_id) references identity.tenants (tenant_id)
) with (fillfactor = 80);
select platform.protect('notifications.counts', 'select, insert, update');

-- Where a provider reports to. The secret lies sealed under the tenant's key.
create table notifications.endpoints (
    tenant_id uuid not null,
    id uuid not null,
    kind text not null check (kind in ('mail', 'twilio')),
    sealed_secret bytea not null,
    created_at timestamptz not null,
    primary key (tenant_id, id),
    unique (id),
    unique (tenant_id, kind),
    foreign key (tenant_id) references identity.tenants (tenant_id)
);
select platform.protect('notifications.endpoints', 'select, insert, update');

create function notifications.find_endpoint(p_kind text, p_endpoint uuid) returns table (tenant_id uuid, id uuid)
    language sql stable security definer set search_path = ''
    as $$ select e.tenant_id, e.id from notifications.endpoints e where e.id = p_endpoint and e.kind = p_kind $$;
revoke execute on function notifications.find_endpoint(text, uuid) from public;
grant execute on function notifications.find_endpoint(text, uuid) to guilder_app;

-- A tenant's own words for a kind of message in a language.
create table notifications.templates (
    tenant_id uuid not null,
    kind text not null,
    language text not null,
    subject text not null,
    body text not null,
    changed_at timestamptz not null,
    primary key (tenant_id, kind, language),
    foreign key (tenant_id) references identity.tenants (tenant_id)
);
select platform.protect('notifications.templates', 'select, insert, update, delete');

-- How many days before a renewal it is announced; 0 is never. Who has no row: 0 for short periods, 7 for years.
create table subscriptions.renewal_reminders (
    tenant_id uuid not null,
    days integer not null check (days between 0 and 60),
    yearly_days integer not null check (yearly_days between 0 and 60),
    changed_at timestamptz not null,
    primary key (tenant_id),
    foreign key (tenant_id) references identity.tenants (tenant_id)
);
select platform.protect('subscriptions.renewal_reminders', 'select, insert, update');

alter table subscriptions.subscriptions
    -- The renewal that there is to announce, or null; whether its period is a year; when it is due to be; and which was.
    add column renews_at timestamptz,
    add column renews_yearly boolean not null default false,
    add column renewal_reminder_due_at timestamptz,
    add column renewal_reminded_for timestamptz;
create index subscriptions_renewal_reminders on subscriptions.subscriptions (renewal_reminder_due_at)
    where renewal_reminder_due_at is not null;

create function subscriptions.renewal_reminders_due(p_tenant uuid, p_now timestamptz, p_limit int)
    returns table (tenant_id uuid, id uuid, due_at timestamptz)
    language sql stable security definer set search_path = ''
    as $$
        select s.tenant_id, s.id, s.renewal_reminder_due_at
        from subscriptions.subscriptions s
        join identity.tenants t on t.tenant_id = s.tenant_id
        where s.renewal_reminder_due_at <= p_now and t.status = 'active'
          and case when p_tenant is null then t.mode <> 'sandbox' else s.tenant_id = p_tenant end
        order by s.renewal_reminder_due_at limit p_limit
    $$;
revoke execute on function subscriptions.renewal_reminders_due(uuid, timestamptz, int) from public;
grant execute on function subscriptions.renewal_reminders_due(uuid, timestamptz, int) to guilder_app;
