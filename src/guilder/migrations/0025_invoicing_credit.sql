-- Discounts, credit and credit notes; several issuers, payment terms and who owes no tax.

alter table customers.customers
    add column is_tax_exempt boolean not null default false,
    add column tax_exempt_reason text not null default '',
    add column net_days integer check (net_days between 0 and 365);

alter table identity.issuers
    add column credit_note_format text not null default 'CN-{year}-{number:05}',
    -- Whether what one customer owes on one day is one invoice.
    add column consolidates boolean not null default false,
    -- The least that is collected, in minor units by currency; less than that is carried to the next invoice.
    add column minimum_charges jsonb not null default '{}';

alter table invoicing.invoices
    add column kind text not null default 'invoice' check (kind in ('invoice', 'credit_note')),
    add column discount_minor bigint not null default 0 check (discount_minor >= 0),
    -- Paid by customer credit; below zero: what earlier invoices came to and was too little to collect, collected here.
    add column credit_applied_minor bigint not null default 0,
    add column is_sent boolean not null default false,
    add column corrects_invoice_id uuid,
    add column memo text not null default '',
    add column due_soon_at timestamptz,  -- when it was told of that its due date comes
    add foreign key (tenant_id, corrects_invoice_id) references invoicing.invoices (tenant_id, id);

-- The rules on amounts are other ones from here on: they are found by what they say, since they have no names.
do $$
declare
    old record;
begin
    for old in
        select c.conname from pg_catalog.pg_constraint c
        where c.conrelid = 'invoicing.invoices'::regclass
          and ((c.contype = 'c' and (pg_catalog.pg_get_constraintdef(c.oid) ~ 'paid_minor \+ credited_minor'
                                     or pg_catalog.pg_get_constraintdef(c.oid) ~ '\(total_minor >= 0\)'))
               or (c.contype = 'u' and pg_catalog.pg_get_constraintdef(c.oid) ~ 'issuer_id, sequence'))
    loop
        execute format('alter table invoicing.invoices drop constraint %I', old.conname);
    end loop;
end $$;
alter table invoicing.invoices
    add constraint invoices_one_series_by_kind unique (tenant_id, issuer_id, kind, sequence),
    add constraint invoices_sign check ((kind = 'invoice') = (total_minor >= 0)),
    add constraint invoices_paid check (
        status <> 'paid' or kind = 'credit_note' or paid_minor + credited_minor + credit_applied_minor >= total_minor),
    add constraint invoices_open check (
        status <> 'open' or total_minor = 0 or paid_minor + credited_minor + credit_applied_minor < total_minor),
    add constraint invoices_credit_note check (
        kind = 'invoice' or (status in ('draft', 'paid') and paid_minor = 0 and credited_minor = 0
                             and credit_applied_minor = 0));
create index invoices_correcting on invoicing.invoices (tenant_id, corrects_invoice_id)
    where corrects_invoice_id is not null;
create index invoices_falling_due on invoicing.invoices (due_at)
    where status = 'open' and is_sent and due_soon_at is null;

alter table invoicing.lines
    alter column quantity type numeric,
    add column discount_minor bigint not null default 0 check (discount_minor >= 0),
    add column charge text not null default '',
    add column credits_line_id uuid,
    add column tax_code text not null default 'standard',
    drop constraint lines_kind_check,
    add constraint lines_kind_check check (kind in (
        'recurring', 'proration_credit', 'proration_charge', 'product', 'charge', 'usage', 'usage_adjustment',
        'commitment', 'prepaid', 'correction')),
    add foreign key (tenant_id, credits_line_id) references invoicing.lines (tenant_id, id);
create index lines_by_subscription on invoicing.lines (tenant_id, subscription_id, invoice_id)
    where subscription_id is not null;
create index lines_crediting on invoicing.lines (tenant_id, credits_line_id) where credits_line_id is not null;

-- Credit notes are numbered apart, without gaps as well.
create table invoicing.credit_note_series (
    tenant_id uuid not null,
    issuer_id uuid not null,
    next bigint not null check (next >= 1),
    primary key (tenant_id, issuer_id),
    foreign key (tenant_id, issuer_id) references identity.issuers (tenant_id, id)
);
select platform.protect('invoicing.credit_note_series', 'select, insert, update');

create table invoicing.discounts (
    tenant_id uuid not null,
    id uuid not null,
    customer_id uuid not null,
    subscription_id uuid,
    promo_code_id uuid not null,
    code text not null,
    name text not null,
    percent numeric check (percent > 0 and percent <= 100),
    amount_minor bigint check (amount_minor > 0),
    currency text check (currency ~ '^[A-Z]{3}$'),
    periods_left integer check (periods_left >= 0),
    plan_ids uuid[] not null,
    redeemed_at timestamptz not null,
    number bigint generated always as identity,
    ended_at timestamptz,
    primary key (tenant_id, id),
    foreign key (tenant_id, customer_id) references customers.customers (tenant_id, id),
    foreign key (tenant_id, subscription_id) references subscriptions.subscriptions (tenant_id, id),
    foreign key (tenant_id, promo_code_id) references catalog.promo_codes (tenant_id, id),
    check ((percent is null) <> (amount_minor is null)),
    check ((amount_minor is null) = (currency is null))
);
create index discounts_live on invoicing.discounts (tenant_id, customer_id, number)
    where ended_at is null and (periods_left is null or periods_left > 0);
create index discounts_redeemed on invoicing.discounts (tenant_id, promo_code_id, customer_id);
select platform.protect('invoicing.discounts', 'select, insert, update');

create table invoicing.discount_uses (
    tenant_id uuid not null,
    discount_id uuid not null,
    invoice_id uuid not null,
    amount_minor bigint not null check (amount_minor >= 0),  -- net
    currency text not null,
    used_at timestamptz not null,
    returned_at timestamptz,
    primary key (tenant_id, discount_id, invoice_id),
    foreign key (tenant_id, discount_id) references invoicing.discounts (tenant_id, id),
    foreign key (tenant_id, invoice_id) references invoicing.invoices (tenant_id, id)
);
create index discount_uses_by_invoice on invoicing.discount_uses (tenant_id, invoice_id);
select platform.protect('invoicing.discount_uses', 'select, insert, update');

-- Below zero: what was too little to collect, and is owed with the next invoice.
create table invoicing.credits (
    tenant_id uuid not null,
    id uuid not null,
    customer_id uuid not null,
    currency text not null check (currency ~ '^[A-Z]{3}$'),
    amount_minor bigint not null check (amount_minor <> 0),
    left_minor bigint not null,
    granted_at timestamptz not null,
    reason text not null,
    source_invoice_id uuid,
    number bigint generated always as identity,
    primary key (tenant_id, id),
    foreign key (tenant_id, customer_id) references customers.customers (tenant_id, id),
    foreign key (tenant_id, source_invoice_id) references invoicing.invoices (tenant_id, id),
    check (left_minor between least(amount_minor, 0) and greatest(amount_minor, 0))
);
create index credits_left on invoicing.credits (tenant_id, customer_id, currency, number) where left_minor <> 0;
create index credits_by_customer on invoicing.credits (tenant_id, customer_id, id);
select platform.protect('invoicing.credits', 'select, insert, update');

-- What became of a credit: it paid an invoice, or was paid out.
create table invoicing.credit_uses (
    tenant_id uuid not null,
    id uuid not null,
    credit_id uuid not null,
    invoice_id uuid,
    refund_id uuid,
    amount_minor bigint not null check (amount_minor <> 0),
    currency text not null,
    used_at timestamptz not null,
    returned_at timestamptz,
    primary key (tenant_id, id),
    foreign key (tenant_id, credit_id) references invoicing.credits (tenant_id, id),
    foreign key (tenant_id, invoice_id) references invoicing.invoices (tenant_id, id),
    foreign key (tenant_id, refund_id) references payments.refunds (tenant_id, id),
    check ((invoice_id is null) <> (refund_id is null))
);
create index credit_uses_by_invoice on invoicing.credit_uses (tenant_id, invoice_id) where invoice_id is not null;
create index credit_uses_by_credit on invoicing.credit_uses (tenant_id, credit_id);
select platform.protect('invoicing.credit_uses', 'select, insert, update');

create or replace function invoicing.refuse_change() returns trigger
    language plpgsql set search_path = ''
    as $$
declare
    same invoicing.invoices := new;
begin
    same.status := old.status;
    same.paid_minor := old.paid_minor;
    same.credited_minor := old.credited_minor;
    same.credit_applied_minor := old.credit_applied_minor;
    same.refunded_minor := old.refunded_minor;
    same.paid_at := old.paid_at;
    same.voided_at := old.voided_at;
    same.given_up_at := old.given_up_at;
    same.overdue_at := old.overdue_at;
    same.due_soon_at := old.due_soon_at;
    same.document_path := old.document_path;
    same.document_status := old.document_status;
    if same is distinct from old then
        raise exception 'invoice % is final', old.number using errcode = 'integrity_constraint_violation';
    end if;
    if new.status <> old.status and old.status in ('paid', 'void') then
        raise exception 'invoice % is %, and cannot become %', old.number, old.status, new.status
            using errcode = 'integrity_constraint_violation';
    end if;
    return new;
end $$;

-- What is sent with days to pay is reminded of three days before they are over.
create function invoicing.due_soon_due(p_tenant uuid, p_now timestamptz, p_limit int)
    returns table (tenant_id uuid, id uuid, due_at timestamptz)
    language sql stable security definer set search_path = ''
    as $$
        select i.tenant_id, i.id, i.due_at - interval '3 days'
        from invoicing.invoices i
        join identity.tenants t on t.tenant_id = i.tenant_id
        where i.status = 'open' and i.is_sent and i.due_soon_at is null and t.status = 'active'
          and i.due_at - interval '3 days' > i.issued_at
          and (p_now = 'infinity' or i.due_at - interval '3 days' <= p_now)
          and case when p_tenant is null then t.mode <> 'sandbox' else i.tenant_id = p_tenant end
        order by i.due_at limit p_limit
    $$;
revoke execute on function invoicing.due_soon_due(uuid, timestamptz, int) from public;
grant execute on function invoicing.due_soon_due(uuid, timestamptz, int) to guilder_app;
