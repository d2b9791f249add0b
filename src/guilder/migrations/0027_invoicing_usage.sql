-- Use on invoices: what was billed of each stretch of it, thresholds that were reached, and prepaid credits.

-- What the use of a stretch came to each time it was billed, whatever of that an invoice showed as a difference. A stretch
-- is named by when it began: it is rated before it is over, when it is over, and again when use comes late.
create table invoicing.rated (
    tenant_id uuid not null,
    subscription_id uuid not null,
    starts_at timestamptz not null,
    charge text not null,
    group_key text not null,
    number integer not null check (number >= 1),
    cause text not null check (cause in ('progressive', 'closed', 'late')),
    group_values jsonb not null,  -- [[property, value], ...] in the order of the charge
    currency text not null check (currency ~ '^[A-Z]{3}$'),
    quantity numeric not null,
    total_minor bigint not null,
    amount_minor bigint not null,  -- the difference that was billed
    billed_item text,  -- null where the difference was nothing
    rated_at timestamptz not null,
    primary key (tenant_id, subscription_id, starts_at, charge, group_key, number),
    foreign key (tenant_id, subscription_id) references subscriptions.subscriptions (tenant_id, id),
    check ((amount_minor = 0) = (billed_item is null))
);
select platform.protect('invoicing.rated', 'select, insert');

-- Up to which late use a subscription's past was looked at again.
create table invoicing.use_seen (
    tenant_id uuid not null,
    subscription_id uuid not null,
    late_number bigint not null check (late_number >= 0),
    primary key (tenant_id, subscription_id),
    foreign key (tenant_id, subscription_id) references subscriptions.subscriptions (tenant_id, id)
);
select platform.protect('invoicing.use_seen', 'select, insert, update');

-- Each threshold of progressive billing is reached once in a stretch: whoever writes the row bills it.
create table invoicing.thresholds_reached (
    tenant_id uuid not null,
    subscription_id uuid not null,
    starts_at timestamptz not null,
    threshold_minor bigint not null,
    reached_at timestamptz not null,
    primary key (tenant_id, subscription_id, starts_at, threshold_minor),
    foreign key (tenant_id, subscription_id) references subscriptions.subscriptions (tenant_id, id)
);
select platform.protect('invoicing.thresholds_reached', 'select, insert');

-- Money for use alone, given or bought beforehand. What was bought can be drawn once its invoice is paid.
create table invoicing.prepaid_grants (
    tenant_id uuid not null,
    id uuid not null,
    customer_id uuid not null,
    name text not null,
    currency text not null check (currency ~ '^[A-Z]{3}$'),
    amount_minor bigint not null check (amount_minor > 0),
    left_minor bigint not null,
    priority integer not null,
    granted_at timestamptz not null,
    expires_at timestamptz,
    invoice_id uuid,  -- that it was bought with; null: a gift
    ended_at timestamptz,  -- expired or taken back: nothing more is drawn
    primary key (tenant_id, id),
    foreign key (tenant_id, customer_id) references customers.customers (tenant_id, id),
    foreign key (tenant_id, invoice_id) references invoicing.invoices (tenant_id, id),
    check (left_minor between 0 and amount_minor),
    check (expires_at > granted_at)
);
create index prepaid_grants_by_customer on invoicing.prepaid_grants (tenant_id, customer_id, id);
create index prepaid_grants_left on invoicing.prepaid_grants (tenant_id, customer_id, currency)
    where left_minor > 0 and ended_at is null;
create index prepaid_grants_expiring on invoicing.prepaid_grants (expires_at)
    where ended_at is null and expires_at is not null;
create index prepaid_grants_bought on invoicing.prepaid_grants (tenant_id, invoice_id) where invoice_id is not null;
select platform.protect('invoicing.prepaid_grants', 'select, insert, update');

create table invoicing.prepaid_uses (
    tenant_id uuid not null,
    id uuid not null,
    grant_id uuid not null,
    invoice_id uuid not null,
    amount_minor bigint not null check (amount_minor > 0),
    used_at timestamptz not null,
    returned_at timestamptz,  -- when its invoice was voided
    primary key (tenant_id, id),
    foreign key (tenant_id, grant_id) references invoicing.prepaid_grants (tenant_id, id),
    foreign key (tenant_id, invoice_id) references invoicing.invoices (tenant_id, id)
);
create index prepaid_uses_by_grant on invoicing.prepaid_uses (tenant_id, grant_id);
create index prepaid_uses_by_invoice on invoicing.prepaid_uses (tenant_id, invoice_id);
select platform.protect('invoicing.prepaid_uses', 'select, insert, update');

create function invoicing.prepaid_due(p_tenant uuid, p_now timestamptz, p_limit int)
    returns table (tenant_id uuid, id uuid, due_at timestamptz)
    language sql stable security definer set search_path = ''
    as $$
        select g.tenant_id, g.id, g.expires_at
        from invoicing.prepaid_grants g
        join identity.tenants t on t.tenant_id = g.tenant_id
        where g.ended_at is null and g.expires_at is not null and g.expires_at <= p_now and t.status = 'active'
          and case when p_tenant is null then t.mode <> 'sandbox' else g.tenant_id = p_tenant end
        order by g.expires_at limit p_limit
    $$;
revoke execute on function invoicing.prepaid_due(uuid, timestamptz, int) from public;
grant execute on function invoicing.prepaid_due(uuid, timestamptz, int) to guilder_app;
