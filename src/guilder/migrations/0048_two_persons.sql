-- Refunds and credit above a limit of the tenant's own take two persons. Without limits nothing changes.

create table payments.two_person_limits (
    tenant_id uuid not null primary key references identity.tenants (tenant_id),
    -- By currency, in minor units: what one person may give alone. A currency that is not named has no limit.
    refunds jsonb not null check (jsonb_typeof(refunds) = 'object'),
    credits jsonb not null check (jsonb_typeof(credits) = 'object'),
    changed_by text not null,
    changed_at timestamptz not null,
    -- Looser limits that one person has asked for: they hold when another one agrees.
    wanted_refunds jsonb check (jsonb_typeof(wanted_refunds) = 'object'),
    wanted_credits jsonb check (jsonb_typeof(wanted_credits) = 'object'),
    wanted_by text,
    wanted_at timestamptz,
    check ((wanted_by is null) = (wanted_at is null) and (wanted_by is null) = (wanted_refunds is null)
           and (wanted_by is null) = (wanted_credits is null))
);
select platform.protect('payments.two_person_limits', 'select, insert, update');

alter table payments.refunds
    add column asked_by text not null default '',
    -- The first of two persons, and when: from then on it waits for another one.
    add column first_by text not null default '',
    add column first_at timestamptz,
    add column decided_by text not null default '',
    add column decided_at timestamptz,
    -- Asked for by the tenant's own people, and not by the customer.
    add column is_proposed boolean not null default false,
    add constraint first_has_a_time check ((first_by = '') = (first_at is null)),
    -- Whatever the code believes: what waited for a second person was granted by one, and by another one.
    add constraint granted_by_another_person check (
        first_by = '' or status in ('asked', 'refused')
        or (decided_by <> first_by and decided_by like 'staff:%'));
create index refunds_first on payments.refunds (first_at) where status = 'asked' and first_at is not null;

create function payments.second_persons_due(p_tenant uuid, p_now timestamptz, p_limit int)
    returns table (tenant_id uuid, id uuid, due_at timestamptz)
    language sql stable security definer set search_path = ''
    as $$
        select r.tenant_id, r.id, r.first_at + interval '14 days'
        from payments.refunds r
        join identity.tenants t on t.tenant_id = r.tenant_id
        where r.status = 'asked' and r.first_at <= p_now - interval '14 days' and t.status = 'active'
          and case when p_tenant is null then t.mode <> 'sandbox' else r.tenant_id = p_tenant end
        order by r.first_at limit p_limit
    $$;
revoke execute on function payments.second_persons_due(uuid, timestamptz, int) from public;
grant execute on function payments.second_persons_due(uuid, timestamptz, int) to guilder_app;

-- What one person asked for and another one is to grant; and, where there are limits, what one person gave alone, so that
-- many small gifts are counted as the large one that they are.
create table invoicing.credit_requests (
    tenant_id uuid not null,
    id uuid not null,
    kind text not null check (kind in ('grant', 'pay_out', 'credit_note')),
    status text not null check (status in ('requested', 'granted', 'refused', 'expired')),
    customer_id uuid not null,
    invoice_id uuid,
    amount_minor bigint not null check (amount_minor > 0),
    currency text not null,
    -- Of a credit note: which lines, or which amount, and what becomes of the money.
    terms jsonb not null check (jsonb_typeof(terms) = 'object'),
    sealed_reason bytea not null,
    is_alone boolean not null,
    asked_by text not null,
    asked_at timestamptz not null,
    decided_by text not null default '',
    decided_at timestamptz,
    made_id uuid,
    primary key (tenant_id, id),
    foreign key (tenant_id, customer_id) references customers.customers (tenant_id, id),
    foreign key (tenant_id, invoice_id) references invoicing.invoices (tenant_id, id),
    check ((status = 'requested') = (decided_at is null)),
    check ((kind = 'credit_note') = (invoice_id is not null)),
    constraint granted_by_another_person check (
        is_alone or status <> 'granted' or (decided_by <> asked_by and decided_by like 'staff:%'))
);
create index credit_requests_waiting on invoicing.credit_requests (asked_at) where status = 'requested';
create index credit_requests_alone on invoicing.credit_requests (tenant_id, customer_id, asked_at) where is_alone;
select platform.protect('invoicing.credit_requests', 'select, insert, update');

create function invoicing.credit_requests_due(p_tenant uuid, p_now timestamptz, p_limit int)
    returns table (tenant_id uuid, id uuid, due_at timestamptz)
    language sql stable security definer set search_path = ''
    as $$
        select r.tenant_id, r.id, r.asked_at + interval '14 days'
        from invoicing.credit_requests r
        join identity.tenants t on t.tenant_id = r.tenant_id
        where r.status = 'requested' and r.asked_at <= p_now - interval '14 days' and t.status = 'active'
          and case when p_tenant is null then t.mode <> 'sandbox' else r.tenant_id = p_tenant end
        order by r.asked_at limit p_limit
    $$;
revoke execute on function invoicing.credit_requests_due(uuid, timestamptz, int) from public;
grant execute on function invoicing.credit_requests_due(uuid, timestamptz, int) to guilder_app;
