-- Several methods a customer and several accounts a tenant: which is tried when, who routes where, what was paid by hand.

alter table payments.methods
    add column kind text not null default 'card' check (kind ~ '^[a-z][a-z0-9_]{0,31}$'),
    -- What may be shown of it, where brand and last four digits do not say it.
    add column label text not null default '',
    -- After the default, the lower is tried first.
    add column position integer not null default 0 check (position >= 0),
    -- The same card of the same account has the same: a digest, never what the provider calls it.
    add column fingerprint text not null default '',
    add column wants_default boolean not null default false,
    -- The same card was saved anew: whoever still names this one means that one.
    add column replaced_by uuid,
    add column warn_due_at timestamptz,
    add foreign key (tenant_id, replaced_by) references payments.methods (tenant_id, id),
    add check (replaced_by is null or status = 'removed'),
    add check (warn_due_at is null or status = 'valid');
create index methods_expiring on payments.methods (warn_due_at) where warn_due_at is not null;
create index methods_replaced on payments.methods (tenant_id, replaced_by) where replaced_by is not null;

-- A card is good to the end of its month; what is nearer than a week is left to be warned of by its failure.
update payments.methods m set warn_due_at = w.at
    from (select e.tenant_id, e.id, case when e.ends_at - interval '30 days' > now() then e.ends_at - interval '30 days'
                                         else e.ends_at - interval '7 days' end as at
          from (select n.tenant_id, n.id,
                       make_timestamptz(n.exp_year, n.exp_month, 1, 0, 0, 0, 'UTC') + interval '1 month' as ends_at
                from payments.methods n
                where n.status = 'valid' and n.exp_year between 1 and 9999 and n.exp_month between 1 and 12) e) w
    where m.tenant_id = w.tenant_id and m.id = w.id and w.at > now();

alter table payments.payments
    -- What is billed, named alike by every attempt and invoice for it; it travels to the provider.
    add column claim text not null default '',
    -- The route that chose its account, by the name that it had then; empty: a saved method's account, or the default.
    add column route text not null default '',
    add column label text not null default '',
    -- When it came to be as it is, on its tenant's clock.
    add column moved_at timestamptz;

create or replace function payments.log_state() returns trigger
    language plpgsql set search_path = ''
    as $$
begin
    insert into payments.states (tenant_id, payment_id, from_status, to_status, at)
        select n.tenant_id, n.id, o.status, n.status, coalesce(n.moved_at, transaction_timestamp())
        from new_rows n join old_rows o on o.tenant_id = n.tenant_id and o.id = n.id
        where o.status <> n.status;
    return null;
end $$;

-- A transfer is recorded once, however often staff types it in.
create unique index payments_transfer on payments.payments (tenant_id, invoice_id, charge_ref)
    where gateway = 'manual' and charge_ref <> '';
create index payments_by_gateway on payments.payments (tenant_id, gateway, id);

-- Which account takes what is bound to none: the first rule that fits, in the tenant's order.
create table payments.routes (
    tenant_id uuid not null references identity.tenants (tenant_id),
    id uuid not null,
    position integer not null check (position >= 0),
    name text not null,
    is_active boolean not null,
    -- Empty: any.
    method_kinds text[] not null,
    currencies text[] not null,
    countries text[] not null,
    amount_from bigint check (amount_from >= 0),
    amount_to bigint check (amount_to > 0),
    changed_at timestamptz not null,
    primary key (tenant_id, id),
    unique (tenant_id, position),
    check (amount_from < amount_to),
    -- An amount is one of a currency.
    check ((amount_from is null and amount_to is null) or cardinality(currencies) = 1)
);
select platform.protect('payments.routes');

create table payments.route_targets (
    tenant_id uuid not null,
    id uuid not null,
    route_id uuid not null,
    account_id uuid not null,
    weight integer not null check (weight between 1 and 100),
    primary key (tenant_id, id),
    unique (tenant_id, route_id, account_id),
    foreign key (tenant_id, route_id) references payments.routes (tenant_id, id) on delete cascade,
    foreign key (tenant_id, account_id) references gateways.accounts (tenant_id, id)
);
select platform.protect('payments.route_targets');

-- What staff saw come in or sent off, of what no provider tells of. The words are sealed under the customer's key.
create table payments.by_hand (
    tenant_id uuid not null,
    id uuid not null,
    payment_id uuid not null,
    refund_id uuid,
    reference text not null,
    sealed_note bytea not null,
    happened_at timestamptz not null,
    recorded_at timestamptz not null,
    recorded_by text not null,
    primary key (tenant_id, id),
    foreign key (tenant_id, payment_id) references payments.payments (tenant_id, id),
    foreign key (tenant_id, refund_id) references payments.refunds (tenant_id, id)
);
create index by_hand_of_payment on payments.by_hand (tenant_id, payment_id);
select platform.protect('payments.by_hand', 'select, insert');

-- Cards whose customers are to be told that they run out.
create function payments.expiring_due(p_tenant uuid, p_now timestamptz, p_limit int)
    returns table (tenant_id uuid, id uuid, due_at timestamptz)
    language sql stable security definer set search_path = ''
    as $$
        select m.tenant_id, m.id, m.warn_due_at
        from payments.methods m
        join identity.tenants t on t.tenant_id = m.tenant_id
        where m.warn_due_at <= p_now and t.status = 'active'
          and case when p_tenant is null then t.mode <> 'sandbox' else m.tenant_id = p_tenant end
        order by m.warn_due_at limit p_limit
    $$;
revoke execute on function payments.expiring_due(uuid, timestamptz, int) from public;
grant execute on function payments.expiring_due(uuid, timestamptz, int) to guilder_app;
