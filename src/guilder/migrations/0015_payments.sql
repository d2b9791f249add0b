-- Moving money: methods, attempts to collect, refunds. What must never happen twice is a constraint here.

select platform.open_room('payments');

create table payments.methods (
    tenant_id uuid not null,
    id uuid not null,
    customer_id uuid not null,
    account_id uuid not null,
    gateway text not null,
    status text not null check (status in ('pending', 'valid', 'invalid', 'removed')),
    -- The provider's token under the customer's key; empty before there is one and after the removal.
    sealed_token bytea not null,
    brand text not null,
    last4 text not null check (last4 ~ '^[0-9]{0,4}$'),
    exp_month smallint not null,
    exp_year smallint not null,
    is_default boolean not null,
    decline_code text not null,
    action_url text not null,
    created_at timestamptz not null,
    primary key (tenant_id, id),
    foreign key (tenant_id, customer_id) references customers.customers (tenant_id, id),
    foreign key (tenant_id, account_id) references gateways.accounts (tenant_id, id),
    check (not is_default or status = 'valid')
);
create unique index methods_default on payments.methods (tenant_id, customer_id) where is_default;
create index methods_by_customer on payments.methods (tenant_id, customer_id, id);
select platform.protect('payments.methods', 'select, insert, update');

create table payments.payments (
    tenant_id uuid not null,
    id uuid not null,
    invoice_id uuid not null,
    customer_id uuid not null,
    attempt integer not null check (attempt >= 1),
    business_key text not null,
    amount_minor bigint not null check (amount_minor > 0),
    currency text not null check (currency ~ '^[A-Z]{3}$'),
    status text not null check (status in ('awaiting_customer', 'requested', 'prepared', 'requires_action', 'unknown',
                                           'canceling', 'succeeded', 'declined', 'canceled')),
    via text not null check (via in ('saved', 'link')),
    -- Empty until it is asked of a provider: before that it can be canceled here and now.
    gateway text not null,
    account_id uuid,
    payment_method_id uuid,
    description text not null,
    provider_ref text not null,
    charge_ref text not null,
    decline_code text not null,
    is_hard_decline boolean not null,
    brand text not null,
    last4 text not null,
    action_url text not null,
    opened_at timestamptz,
    -- What a person has to look at: another amount than asked was answered, money came in after a cancellation.
    alert text not null,
    -- At most one payment of an invoice holds it: the one in flight, or the one that paid it.
    holds_invoice boolean not null,
    is_overpayment boolean not null,
    -- What is to be collected once this one is known to be closed: (via, method), or nothing.
    again_via text check (again_via in ('saved', 'link')),
    again_method_id uuid,
    requested_at timestamptz not null,
    settled_at timestamptz,
    check_due_at timestamptz,
    primary key (tenant_id, id),
    unique (tenant_id, invoice_id, attempt),
    foreign key (tenant_id, customer_id) references customers.customers (tenant_id, id),
    foreign key (tenant_id, account_id) references gateways.accounts (tenant_id, id),
    foreign key (tenant_id, payment_method_id) references payments.methods (tenant_id, id),
    constraint what_is_over_holds_nothing check (not holds_invoice or status not in ('declined', 'canceled')),
    constraint what_is_open_holds check (holds_invoice or status in ('declined', 'canceled', 'canceling', 'succeeded')),
    constraint overpaid_holds_nothing check (not is_overpayment or (status = 'succeeded' and not holds_invoice)),
    check ((settled_at is not null) = (status in ('succeeded', 'declined', 'canceled')))
) with (fillfactor = 70);
create unique index payments_business_key on payments.payments (tenant_id, business_key);
-- One in flight per invoice, and none beside the one that paid it.
create unique index payments_one_holds on payments.payments (tenant_id, invoice_id) where holds_invoice;
create index payments_by_customer on payments.payments (tenant_id, customer_id, id);
create index payments_due on payments.payments (check_due_at) where check_due_at is not null;
select platform.protect('payments.payments', 'select, insert, update');

-- Every state that a payment was in.
create table payments.states (
    tenant_id uuid not null,
    payment_id uuid not null,
    id bigint generated always as identity,
    from_status text not null,
    to_status text not null,
    at timestamptz not null default transaction_timestamp(),
    primary key (tenant_id, payment_id, id),
    foreign key (tenant_id, payment_id) references payments.payments (tenant_id, id)
);
select platform.protect('payments.states', 'select, insert');

create function payments.log_state() returns trigger
    language plpgsql set search_path = ''
    as $$
begin
    insert into payments.states (tenant_id, payment_id, from_status, to_status)
        select n.tenant_id, n.id, o.status, n.status
        from new_rows n join old_rows o on o.tenant_id = n.tenant_id and o.id = n.id
        where o.status <> n.status;
    return null;
end $$;
create trigger states after update on payments.payments
    referencing new table as new_rows old table as old_rows
    for each statement execute function payments.log_state();

-- Whatever the code believes: money that came in stays so, and what was canceled or paid is over.
create function payments.refuse_return() returns trigger
    language plpgsql set search_path = ''
    as $$
begin
    raise exception 'payment % is %, and cannot become %', old.id, old.status, new.status
        using errcode = 'integrity_constraint_violation';
end $$;
create trigger no_return before update on payments.payments
    for each row when (old.status in ('succeeded', 'canceled') and new.status <> old.status)
    execute function payments.refuse_return();
create trigger frozen before update on payments.payments
    for each row when ((old.amount_minor, old.currency, old.business_key, old.invoice_id, old.customer_id)
                       is distinct from (new.amount_minor, new.currency, new.business_key, new.invoice_id,
                                         new.customer_id))
    execute function payments.refuse_return();

create table payments.refunds (
    tenant_id uuid not null,
    id uuid not null,
    payment_id uuid not null,
    invoice_id uuid not null,
    customer_id uuid not null,
    amount_minor bigint not null check (amount_minor > 0),
    currency text not null check (currency ~ '^[A-Z]{3}$'),
    status text not null check (status in ('asked', 'refused', 'pending', 'succeeded', 'failed')),
    reason text not null,
    ends_access boolean not null,
    -- The return of a second capture: nobody asked for it, and it is booked back to the receivable.
    is_overpayment boolean not null,
    provider_ref text not null,
    decline_code text not null,
    asked_at timestamptz not null,
    settled_at timestamptz,
    primary key (tenant_id, id),
    foreign key (tenant_id, payment_id) references payments.payments (tenant_id, id)
);
create index refunds_by_payment on payments.refunds (tenant_id, payment_id);
create index refunds_by_invoice on payments.refunds (tenant_id, invoice_id);
create index refunds_by_customer on payments.refunds (tenant_id, customer_id, id);
select platform.protect('payments.refunds', 'select, insert, update');

-- Never more is given back than came in. The payment's row is locked, so that parallel refunds count each other.
create function payments.refuse_excess() returns trigger
    language plpgsql set search_path = ''
    as $$
declare
    paid payments.payments;
    given numeric;
begin
    select * into paid from payments.payments p
        where p.tenant_id = new.tenant_id and p.id = new.payment_id for update;
    select coalesce(sum(r.amount_minor), 0) into given from payments.refunds r
        where r.tenant_id = new.tenant_id and r.payment_id = new.payment_id and r.status in ('pending', 'succeeded');
    if paid.status <> 'succeeded' or paid.currency <> new.currency or given > paid.amount_minor then
        raise exception 'refunds of payment % exceed what was captured', new.payment_id
            using errcode = 'integrity_constraint_violation';
    end if;
    return null;
end $$;
create trigger within_captured after insert or update on payments.refunds
    for each row when (new.status in ('pending', 'succeeded')) execute function payments.refuse_excess();

-- How a tenant deals with refunds that customers ask for: granted by itself within so many days of the payment.
create table payments.refund_policies (
    tenant_id uuid not null primary key references identity.tenants (tenant_id),
    auto_grant_days integer not null check (auto_grant_days between 0 and 3650),
    changed_at timestamptz not null
);
select platform.protect('payments.refund_policies', 'select, insert, update');

-- Requested, and not asked of a provider for a while: its message was lost, or no gateway was connected.
create function payments.stale_due(p_tenant uuid, p_now timestamptz, p_limit int)
    returns table (tenant_id uuid, id uuid, due_at timestamptz)
    language sql stable security definer set search_path = ''
    as $$
        select p.tenant_id, p.id, p.check_due_at
        from payments.payments p
        join identity.tenants t on t.tenant_id = p.tenant_id
        where p.check_due_at <= p_now and t.status = 'active'
          and case when p_tenant is null then t.mode <> 'sandbox' else p.tenant_id = p_tenant end
        order by p.check_due_at limit p_limit
    $$;
revoke execute on function payments.stale_due(uuid, timestamptz, int) from public;
grant execute on function payments.stale_due(uuid, timestamptz, int) to guilder_app;
