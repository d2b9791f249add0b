-- Who is billed. What says who a person is lies sealed under the customer's own key; the rest is plain.

select platform.open_room('customers');

create table customers.customers (
    tenant_id uuid not null references identity.tenants (tenant_id),
    id uuid not null,
    organization_id text not null check (length(organization_id) between 1 and 255),
    kind text not null check (kind in ('organization', 'person')),
    -- name, email, phone, address and VAT id, as one sealed text
    sealed_profile bytea not null,
    -- Keyed, and keyed by tenant: it finds a customer by e-mail and tells nothing else. Empty: none.
    email_hash bytea not null,
    language text not null,
    time_zone text not null,
    metadata jsonb not null,
    created_at timestamptz not null,
    updated_at timestamptz not null,
    erased_at timestamptz,
    primary key (tenant_id, id),
    unique (tenant_id, organization_id)
);
create index customers_email on customers.customers (tenant_id, email_hash) where email_hash <> ''::bytea;
select platform.protect('customers.customers', 'select, insert, update');
