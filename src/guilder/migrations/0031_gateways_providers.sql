-- Several providers: what an account has to say beside its secret, how well it does, who a customer is there.

alter table gateways.accounts
    add column settings jsonb not null default '{}',
    -- Call after call without an answer: what can go elsewhere does, until then.
    add column outages integer not null default 0 check (outages >= 0),
    add column down_until timestamptz,
    -- After a restore nothing is charged here before what the provider knows was read again.
    add column quarantined_at timestamptz;

-- What is billed, named alike by every attempt and invoice for it; it travels in the provider's metadata.
alter table gateways.requests add column claim text not null default '';

-- How calls to an account ended, by the hour.
create table gateways.health (
    tenant_id uuid not null,
    account_id uuid not null,
    hour timestamptz not null,
    succeeded integer not null default 0,
    declined integer not null default 0,
    unknown integer not null default 0,
    outages integer not null default 0,
    primary key (tenant_id, account_id, hour),
    foreign key (tenant_id, account_id) references gateways.accounts (tenant_id, id)
) with (fillfactor = 50);
select platform.protect('gateways.health', 'select, insert, update');

-- The provider's object for a customer: the cards saved there hang on it.
create table gateways.payers (
    tenant_id uuid not null,
    account_id uuid not null,
    customer_id uuid not null,
    payer_ref text not null check (length(payer_ref) between 1 and 255),
    primary key (tenant_id, account_id, customer_id),
    foreign key (tenant_id, account_id) references gateways.accounts (tenant_id, id)
);
create unique index payers_ref on gateways.payers (tenant_id, account_id, payer_ref);
select platform.protect('gateways.payers', 'select, insert');
