-- How plans are billed, what use costs, what is measured, what is taken off, and which tax is owed where.

alter table catalog.plan_versions
    add column billing jsonb not null default '{}',
    add column charges jsonb not null default '[]',
    add column is_add_on boolean not null default false;

-- Null: the amount for each unit.
alter table catalog.prices add column model jsonb;

alter table catalog.products
    add column tax_category text not null default '',
    add column is_tax_inclusive boolean not null default false;

alter table catalog.tax_rates
    add column region text not null default '',
    add column category text not null default '',
    add column valid_from date,
    add column valid_until date,
    add column status text not null default 'active' check (status in ('active', 'archived')),
    add check (region = '' or country <> ''),
    add check (valid_from is null or valid_until is null or valid_from <= valid_until);
-- A default that another one replaced would be taken for the rate of its country from here on.
update catalog.tax_rates set status = 'archived' where not is_default;

create table catalog.meters (
    tenant_id uuid not null,
    id uuid not null,
    code text not null check (code ~ '^[a-z0-9][a-z0-9_.-]{0,63}$'),
    name text not null,
    aggregation text not null
        check (aggregation in ('count', 'sum', 'max', 'unique_count', 'latest', 'weighted_sum')),
    property text not null,
    created_at timestamptz not null,
    primary key (tenant_id, id),
    unique (tenant_id, code)
);
select platform.protect('catalog.meters', 'select, insert');

create table catalog.promo_codes (
    tenant_id uuid not null,
    id uuid not null,
    code text not null check (code ~ '^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$'),
    name text not null,
    status text not null check (status in ('active', 'archived')),
    percent numeric check (percent > 0 and percent <= 100),
    amount_minor bigint check (amount_minor > 0),
    currency text check (currency ~ '^[A-Z]{3}$'),
    duration text not null check (duration in ('once', 'periods', 'forever')),
    periods integer check (periods >= 1),
    starts_at timestamptz,
    ends_at timestamptz,
    redemptions integer not null default 0 check (redemptions >= 0),
    redemptions_max integer check (redemptions_max >= 1),
    redemptions_max_per_customer integer check (redemptions_max_per_customer >= 1),
    plan_ids uuid[] not null default '{}',
    first_purchase_only boolean not null default false,
    metadata jsonb not null default '{}',
    created_at timestamptz not null,
    primary key (tenant_id, id),
    check ((percent is null) <> (amount_minor is null)),
    check ((amount_minor is null) = (currency is null)),
    check ((duration = 'periods') = (periods is not null)),
    -- However many redeem it at once.
    check (redemptions <= redemptions_max)
) with (fillfactor = 80);
-- A code that was archived may be given again; people type codes in capitals or not.
create unique index promo_codes_by_code on catalog.promo_codes (tenant_id, lower(code)) where status = 'active';
select platform.protect('catalog.promo_codes', 'select, insert, update');
