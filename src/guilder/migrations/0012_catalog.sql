-- What is sold. A version of a plan never changes once it is out; the plan says which version new customers get.

select platform.open_room('catalog');

create table catalog.plans (
    tenant_id uuid not null,
    id uuid not null,
    code text not null check (code ~ '^[a-z0-9][a-z0-9_.-]{0,63}$'),
    status text not null check (status in ('active', 'archived')),
    version integer not null check (version >= 1),
    created_at timestamptz not null,
    primary key (tenant_id, id),
    unique (tenant_id, code)
);
select platform.protect('catalog.plans', 'select, insert, update');

create table catalog.plan_versions (
    tenant_id uuid not null,
    plan_id uuid not null,
    version integer not null check (version >= 1),
    name text not null,
    description text not null,
    trial_days integer not null check (trial_days between 0 and 3650),
    features jsonb not null,
    limits jsonb not null,
    metadata jsonb not null,
    created_at timestamptz not null,
    primary key (tenant_id, plan_id, version),
    foreign key (tenant_id, plan_id) references catalog.plans (tenant_id, id)
);
select platform.protect('catalog.plan_versions', 'select, insert');

create table catalog.prices (
    tenant_id uuid not null,
    id uuid not null,
    plan_id uuid not null,
    version integer not null,
    line smallint not null,
    cycle text not null,
    unit text not null check (unit in ('day', 'week', 'month', 'quarter', 'half_year', 'year')),
    unit_count integer not null check (unit_count between 1 and 1000),
    currency text not null check (currency ~ '^[A-Z]{3}$'),
    amount_minor bigint not null check (amount_minor >= 0),
    primary key (tenant_id, id),
    unique (tenant_id, plan_id, version, cycle, currency),
    foreign key (tenant_id, plan_id, version) references catalog.plan_versions (tenant_id, plan_id, version)
);
select platform.protect('catalog.prices', 'select, insert');

create table catalog.products (
    tenant_id uuid not null,
    id uuid not null,
    code text not null check (code ~ '^[a-z0-9][a-z0-9_.-]{0,63}$'),
    name text not null,
    description text not null,
    access_days integer check (access_days between 1 and 36500),
    prices jsonb not null,
    metadata jsonb not null,
    created_at timestamptz not null,
    primary key (tenant_id, id),
    unique (tenant_id, code)
);
select platform.protect('catalog.products', 'select, insert, update');

create table catalog.tax_rates (
    tenant_id uuid not null,
    id uuid not null,
    name text not null,
    percent numeric(7, 4) not null check (percent >= 0 and percent <= 100),
    country text not null,
    is_default boolean not null,
    legal_note text not null,
    created_at timestamptz not null,
    primary key (tenant_id, id)
);
create unique index tax_rates_default on catalog.tax_rates (tenant_id) where is_default;
select platform.protect('catalog.tax_rates', 'select, insert, update');
