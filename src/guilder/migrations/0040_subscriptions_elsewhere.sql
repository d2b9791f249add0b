-- Subscriptions that a provider bills itself, for a business that began there: what they are is told by its webhooks.

alter table subscriptions.subscriptions
    add column billed_by uuid,
    add column provider_ref text not null default '',
    -- Of when the last news of the provider is: older news changes nothing.
    add column told_at timestamptz,
    add foreign key (tenant_id, billed_by) references gateways.accounts (tenant_id, id),
    add check ((billed_by is null) = (provider_ref = '')),
    add check (billed_by is null or next_due_at is null);
create unique index subscriptions_elsewhere on subscriptions.subscriptions (tenant_id, billed_by, provider_ref)
    where billed_by is not null;

-- News of what nobody has linked yet: the latest of each, so that whoever links it later knows how it stands.
create table subscriptions.unlinked (
    tenant_id uuid not null,
    id uuid not null,
    account_id uuid not null,
    provider_ref text not null,
    news jsonb not null,
    told_at timestamptz not null,
    primary key (tenant_id, id),
    unique (tenant_id, account_id, provider_ref),
    foreign key (tenant_id, account_id) references gateways.accounts (tenant_id, id)
);
select platform.protect('subscriptions.unlinked');
