-- Reconciling: what providers' own books say, beside ours.

alter table gateways.accounts
    -- Up to when the provider's books were read; and when they are read again. A sandbox's are read when it is asked.
    add column books_read_to timestamptz,
    add column books_due_at timestamptz;
update gateways.accounts set books_due_at = created_at where is_active and not is_on_own_clock;
create index accounts_books on gateways.accounts (books_due_at) where books_due_at is not null;

create table gateways.books (
    tenant_id uuid not null,
    id uuid not null,
    account_id uuid not null,
    kind text not null check (kind in ('charge', 'refund')),
    provider_ref text not null,
    charge_ref text not null,
    business_key text not null,
    claim text not null,
    status text not null check (status in ('succeeded', 'declined', 'requires_action', 'canceled', 'unknown')),
    amount_minor bigint not null,
    fee_minor bigint,
    currency text not null check (currency ~ '^[A-Z]{3}$'),
    at timestamptz not null,
    -- The reading that brought what stands here; one that brought nothing new left it alone.
    reading_id uuid not null,
    primary key (tenant_id, id),
    unique (tenant_id, account_id, kind, provider_ref),
    foreign key (tenant_id, account_id) references gateways.accounts (tenant_id, id)
);
create index books_of_reading on gateways.books (tenant_id, reading_id);
create index books_by_time on gateways.books (tenant_id, account_id, at);
select platform.protect('gateways.books', 'select, insert, update');

create function gateways.books_due(p_tenant uuid, p_now timestamptz, p_limit int)
    returns table (tenant_id uuid, id uuid, due_at timestamptz)
    language sql stable security definer set search_path = ''
    as $$
        select a.tenant_id, a.id, a.books_due_at
        from gateways.accounts a
        join identity.tenants t on t.tenant_id = a.tenant_id
        where a.books_due_at <= p_now and t.status = 'active'
          and case when p_tenant is null then t.mode <> 'sandbox' else a.tenant_id = p_tenant end
        order by a.books_due_at limit p_limit
    $$;
revoke execute on function gateways.books_due(uuid, timestamptz, int) from public;
grant execute on function gateways.books_due(uuid, timestamptz, int) to guilder_app;

-- What a provider charged of which we know nothing, though it bears our mark: a restore lost it. Each pays once.
create table payments.found (
    tenant_id uuid not null,
    id uuid not null,
    account_id uuid not null,
    provider_ref text not null,
    charge_ref text not null,
    business_key text not null,
    claim text not null,
    amount_minor bigint not null check (amount_minor > 0),
    currency text not null check (currency ~ '^[A-Z]{3}$'),
    captured_at timestamptz not null,
    found_at timestamptz not null,
    -- The payment that it is now; or why a person put it aside.
    payment_id uuid,
    put_aside text not null default '',
    primary key (tenant_id, id),
    unique (tenant_id, account_id, provider_ref),
    unique (tenant_id, payment_id),
    foreign key (tenant_id, account_id) references gateways.accounts (tenant_id, id),
    foreign key (tenant_id, payment_id) references payments.payments (tenant_id, id)
);
create index found_open on payments.found (tenant_id, claim) where payment_id is null and put_aside = '';
select platform.protect('payments.found', 'select, insert, update');

-- Where a provider's books and ours do not agree.
create table payments.differences (
    tenant_id uuid not null,
    id uuid not null,
    account_id uuid not null,
    what text not null check (what in ('amount', 'only_there', 'only_here', 'refund_amount', 'refund_only_there',
                                       'refund_only_here')),
    provider_ref text not null,
    payment_id uuid,
    ours_minor bigint,
    theirs_minor bigint,
    currency text not null check (currency ~ '^[A-Z]{3}$'),
    happened_at timestamptz not null,
    found_at timestamptz not null,
    resolved_at timestamptz,
    resolution text not null default '',
    primary key (tenant_id, id),
    unique (tenant_id, account_id, what, provider_ref),
    foreign key (tenant_id, account_id) references gateways.accounts (tenant_id, id),
    check ((resolved_at is null) = (resolution = ''))
);
create index differences_by_time on payments.differences (tenant_id, happened_at);
select platform.protect('payments.differences', 'select, insert, update');
