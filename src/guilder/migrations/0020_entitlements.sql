-- What each customer may use. Facts are kept as they were heard; what they amount to is decided when it is asked, so
-- that time alone can end access and no order of hearing can leave a wrong answer behind.

select platform.open_room('entitlements');

-- Whoever anything is kept about, and everyone who was ever taken on: found by either name in one step.
create table entitlements.accounts (
    tenant_id uuid not null,
    customer_id uuid not null,
    organization_id text not null,
    primary key (tenant_id, customer_id),
    unique (tenant_id, organization_id),
    foreign key (tenant_id, customer_id) references customers.customers (tenant_id, id)
);
select platform.protect('entitlements.accounts', 'select, insert');

-- source_id: the subscription, or the order that a product was bought by.
create table entitlements.grants (
    tenant_id uuid not null,
    source_id uuid not null,
    customer_id uuid not null,
    kind text not null check (kind in ('subscription', 'product')),
    code text not null,
    version integer not null,
    features jsonb not null,
    limits jsonb not null,
    valid_from timestamptz not null,
    valid_until timestamptz,
    is_renewing boolean not null,
    is_suspended boolean not null,
    invoice_id uuid,
    ended_at timestamptz,
    primary key (tenant_id, source_id),
    foreign key (tenant_id, customer_id) references entitlements.accounts (tenant_id, customer_id)
) with (fillfactor = 80);
create index grants_open on entitlements.grants (tenant_id, customer_id, code) where ended_at is null;
select platform.protect('entitlements.grants', 'select, insert, update');

-- A cause that was lifted stays, so that a block heard late does not come back. An empty reason: it never blocked.
create table entitlements.blocks (
    tenant_id uuid not null,
    cause_id uuid not null,
    customer_id uuid not null,
    reason text not null,
    since timestamptz not null,
    lifted_at timestamptz,
    primary key (tenant_id, cause_id),
    foreign key (tenant_id, customer_id) references entitlements.accounts (tenant_id, customer_id),
    check (reason <> '' or lifted_at is not null)
);
create index blocks_open on entitlements.blocks (tenant_id, customer_id) where lifted_at is null;
select platform.protect('entitlements.blocks', 'select, insert, update');

-- Money given back that took access with it: all that the invoice gave, or a subscription up to an instant.
create table entitlements.revocations (
    tenant_id uuid not null,
    refund_id uuid not null,
    customer_id uuid not null,
    invoice_id uuid not null,
    subscription_id uuid,
    since timestamptz not null,
    until timestamptz,
    primary key (tenant_id, refund_id),
    foreign key (tenant_id, customer_id) references entitlements.accounts (tenant_id, customer_id),
    check (subscription_id is null or until is not null)
);
create index revocations_by_customer on entitlements.revocations (tenant_id, customer_id);
select platform.protect('entitlements.revocations', 'select, insert');
