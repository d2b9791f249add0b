-- What customers asked for. An order is written with everything that it set in motion, in one transaction.

select platform.open_room('orders');

create table orders.orders (
    tenant_id uuid not null,
    id uuid not null,
    customer_id uuid not null,
    kind text not null check (kind in ('subscribe', 'change', 'buy', 'pay', 'charge')),
    status text not null check (status in ('processing', 'completed', 'canceled')),
    amount_due_minor bigint not null check (amount_due_minor >= 0),
    currency text not null check (currency ~ '^[A-Z]{3}$'),
    subscription_id uuid,
    invoice_id uuid,
    product_id uuid,
    -- The product as it was when it was bought: what is granted does not change with the catalog.
    product_code text not null default '',
    access_days integer check (access_days >= 1),
    -- What a subscription becomes once the order is paid: a change that is to be paid by link waits for its payment.
    pending_terms jsonb,
    metadata jsonb not null,
    created_at timestamptz not null,
    completed_at timestamptz,
    -- When what is to be paid by link is given up, if nobody has paid by then.
    abandon_at timestamptz,
    primary key (tenant_id, id),
    foreign key (tenant_id, customer_id) references customers.customers (tenant_id, id),
    foreign key (tenant_id, subscription_id) references subscriptions.subscriptions (tenant_id, id),
    foreign key (tenant_id, invoice_id) references invoicing.invoices (tenant_id, id),
    foreign key (tenant_id, product_id) references catalog.products (tenant_id, id),
    check ((status = 'completed') = (completed_at is not null)),
    check (abandon_at is null or status = 'processing'),
    check ((product_id is null) = (product_code = '')),
    check (pending_terms is null or kind = 'change')
) with (fillfactor = 90);
create index orders_by_customer on orders.orders (tenant_id, customer_id, id);
create index orders_by_subscription on orders.orders (tenant_id, subscription_id, id) where subscription_id is not null;
create index orders_by_invoice on orders.orders (tenant_id, invoice_id) where invoice_id is not null;
create index orders_to_abandon on orders.orders (abandon_at) where abandon_at is not null;
select platform.protect('orders.orders', 'select, insert, update');

create function orders.abandon_due(p_tenant uuid, p_now timestamptz, p_limit int)
    returns table (tenant_id uuid, id uuid, due_at timestamptz)
    language sql stable security definer set search_path = ''
    as $$
        select o.tenant_id, o.id, o.abandon_at
        from orders.orders o
        join identity.tenants t on t.tenant_id = o.tenant_id
        where o.abandon_at is not null and o.abandon_at <= p_now and t.status = 'active'
          and case when p_tenant is null then t.mode <> 'sandbox' else o.tenant_id = p_tenant end
        order by o.abandon_at limit p_limit
    $$;
revoke execute on function orders.abandon_due(uuid, timestamptz, int) from public;
grant execute on function orders.abandon_due(uuid, timestamptz, int) to guilder_app;
