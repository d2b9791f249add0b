-- What company products asked to be charged, each once, by the id that the product gave it: for ever.

create table orders.charges (
    tenant_id uuid not null,
    id uuid not null,
    -- Who asks, and its own id for it (CloudEvents `source` and `id`): the same two are the same charge.
    source text not null check (length(source) between 1 and 255),
    source_id text not null check (length(source_id) between 1 and 255),
    -- Of all that was asked: the same id with other words is refused, not taken for the same.
    digest text not null,
    status text not null check (status in ('received', 'placed', 'refused', 'settled', 'failed')),
    customer text not null,
    customer_id uuid,
    product text not null default '',
    amount_minor bigint check (amount_minor > 0),
    currency text check (currency ~ '^[A-Z]{3}$'),
    description text not null,
    payment_method_id uuid,
    metadata jsonb not null,
    order_id uuid,
    invoice_id uuid,
    -- Why it was refused, or what its last payment came to.
    reason text not null default '',
    received_at timestamptz not null,
    decided_at timestamptz,
    primary key (tenant_id, id),
    unique (tenant_id, source, source_id),
    foreign key (tenant_id, customer_id) references customers.customers (tenant_id, id),
    foreign key (tenant_id, order_id) references orders.orders (tenant_id, id),
    foreign key (tenant_id, invoice_id) references invoicing.invoices (tenant_id, id),
    check ((product = '') = (amount_minor is not null)),
    check ((order_id is not null) = (status in ('placed', 'settled', 'failed')))
) with (fillfactor = 80);
create unique index charges_by_order on orders.charges (tenant_id, order_id) where order_id is not null;
create index charges_by_invoice on orders.charges (tenant_id, invoice_id) where invoice_id is not null;
create index charges_by_status on orders.charges (tenant_id, status, id);
select platform.protect('orders.charges', 'select, insert, update');
