-- Numbers that may have been on invoices which a restored backup does not know. They are never used again, and the gap is
-- explained: whoever audits a series finds here why, and the doctor counts them as taken.

create table invoicing.given_up_numbers (
    tenant_id uuid not null,
    id uuid not null,
    issuer_id uuid not null,
    kind text not null check (kind in ('invoice', 'credit_note')),
    first bigint not null check (first >= 1),
    last bigint not null,
    restored_to timestamptz not null,
    given_up_at timestamptz not null,
    primary key (tenant_id, id),
    unique (tenant_id, issuer_id, kind, first),
    foreign key (tenant_id, issuer_id) references identity.issuers (tenant_id, id),
    check (last >= first)
);
select platform.protect('invoicing.given_up_numbers', 'select, insert');
