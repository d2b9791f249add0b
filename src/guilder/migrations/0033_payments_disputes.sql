-- Disputes; refunds that know why, by whom and with which document they are made; and what an invoice gave back as
-- credit, so that money and credit together never give more back than came in.

alter table payments.refunds
    add column reason_code text not null default 'other',
    -- The credit note that is made when the money is back: none, or of all that was given back.
    add column credit_note text not null default 'none' check (credit_note in ('none', 'full')),
    -- Who said yes: staff, the tenant's policy, or nobody (what came in too much goes back by itself).
    add column granted_by text not null default '' check (granted_by in ('', 'staff', 'policy', 'system')),
    -- It pays customer credit out: the invoice gave that back before, or somebody else did.
    add column is_pay_out boolean not null default false;
create index refunds_granted on payments.refunds (tenant_id, customer_id, asked_at) where granted_by = 'policy';

alter table payments.refund_policies
    -- The most that is granted by itself, by currency; a currency that is not named has no bound if none is.
    add column amounts_max jsonb not null default '{}',
    add column per_customer_year integer check (per_customer_year >= 0),
    add column only_unused boolean not null default false,
    add column credit_note text not null default 'none' check (credit_note in ('none', 'full'));

-- What of an invoice's money may not be refunded any more, since it was given back as credit: invoicing says so.
create table payments.withheld (
    tenant_id uuid not null references identity.tenants (tenant_id),
    invoice_id uuid not null,
    amount_minor bigint not null check (amount_minor >= 0),
    primary key (tenant_id, invoice_id)
);
select platform.protect('payments.withheld', 'select, insert, update');

create table payments.disputes (
    tenant_id uuid not null,
    id uuid not null,
    payment_id uuid not null,
    invoice_id uuid not null,
    customer_id uuid not null,
    account_id uuid not null,
    gateway text not null,
    dispute_ref text not null,
    amount_minor bigint not null check (amount_minor >= 0),
    currency text not null check (currency ~ '^[A-Z]{3}$'),
    fee_minor bigint check (fee_minor > 0),
    fee_currency text check (fee_currency ~ '^[A-Z]{3}$'),
    reason text not null,
    status text not null check (status in ('inquiry', 'open', 'won', 'lost')),
    -- What a person has to look at: another amount or currency than the payment can have.
    alert text not null,
    respond_by timestamptz,
    noticed_at timestamptz not null,
    opened_at timestamptz,
    decided_at timestamptz,
    primary key (tenant_id, id),
    unique (tenant_id, account_id, dispute_ref),
    foreign key (tenant_id, payment_id) references payments.payments (tenant_id, id),
    foreign key (tenant_id, account_id) references gateways.accounts (tenant_id, id),
    check ((decided_at is not null) = (status in ('won', 'lost'))),
    check (status not in ('open', 'lost') or opened_at is not null),
    check ((fee_minor is null) = (fee_currency is null))
);
create index disputes_by_payment on payments.disputes (tenant_id, payment_id);
create index disputes_by_invoice on payments.disputes (tenant_id, invoice_id);
create index disputes_by_customer on payments.disputes (tenant_id, customer_id, id);
select platform.protect('payments.disputes', 'select, insert, update');

-- Whatever the code believes: what a bank has decided is over.
create function payments.refuse_dispute_return() returns trigger
    language plpgsql set search_path = ''
    as $$
begin
    raise exception 'dispute % is %, and cannot become %', old.id, old.status, new.status
        using errcode = 'integrity_constraint_violation';
end $$;
create trigger no_return before update on payments.disputes
    for each row when ((old.status in ('won', 'lost') and new.status <> old.status)
                       or (old.status = 'open' and new.status = 'inquiry'))
    execute function payments.refuse_dispute_return();
create trigger frozen before update on payments.disputes
    for each row when ((old.payment_id, old.dispute_ref, old.account_id, old.currency)
                       is distinct from (new.payment_id, new.dispute_ref, new.account_id, new.currency)
                       or (old.status <> 'inquiry' and old.amount_minor <> new.amount_minor))
    execute function payments.refuse_dispute_return();

-- A bank takes no more back than what came in and has not gone back. What is only on its way back does not count: the
-- provider refuses it then.
create function payments.refuse_dispute_excess() returns trigger
    language plpgsql set search_path = ''
    as $$
declare
    paid payments.payments;
    gone numeric;
begin
    select * into paid from payments.payments p
        where p.tenant_id = new.tenant_id and p.id = new.payment_id for update;
    select (select coalesce(sum(r.amount_minor), 0) from payments.refunds r
            where r.tenant_id = new.tenant_id and r.payment_id = new.payment_id and r.status = 'succeeded')
         + (select coalesce(sum(d.amount_minor), 0) from payments.disputes d
            where d.tenant_id = new.tenant_id and d.payment_id = new.payment_id and d.status in ('open', 'lost'))
        into gone;
    if paid.currency <> new.currency or gone > paid.amount_minor then
        raise exception 'disputes and refunds of payment % exceed what was captured', new.payment_id
            using errcode = 'integrity_constraint_violation';
    end if;
    return null;
end $$;
create trigger within_captured after insert on payments.disputes
    for each row when (new.status in ('open', 'lost')) execute function payments.refuse_dispute_excess();
create trigger within_captured_later after update on payments.disputes
    for each row when (new.status in ('open', 'lost') and old.status not in ('open', 'lost'))
    execute function payments.refuse_dispute_excess();

-- Refunds count what a bank holds, when they are asked for; what then races with a dispute is told as the provider
-- tells it. And money that came in for what was canceled here can go back.
create or replace function payments.refuse_excess() returns trigger
    language plpgsql set search_path = ''
    as $$
declare
    paid payments.payments;
    given numeric;
    held numeric := 0;
begin
    select * into paid from payments.payments p
        where p.tenant_id = new.tenant_id and p.id = new.payment_id for update;
    select coalesce(sum(r.amount_minor), 0) into given from payments.refunds r
        where r.tenant_id = new.tenant_id and r.payment_id = new.payment_id and r.status in ('pending', 'succeeded');
    if new.status = 'pending' then
        select coalesce(sum(d.amount_minor), 0) into held from payments.disputes d
            where d.tenant_id = new.tenant_id and d.payment_id = new.payment_id and d.status in ('open', 'lost');
    end if;
    if not (paid.status = 'succeeded'
            or (paid.status = 'canceled' and paid.alert = 'paid_after_cancel' and new.is_overpayment))
       or paid.currency <> new.currency or given + held > paid.amount_minor then
        raise exception 'refunds of payment % exceed what was captured', new.payment_id
            using errcode = 'integrity_constraint_violation';
    end if;
    return null;
end $$;

create table payments.dispute_notes (
    tenant_id uuid not null,
    id uuid not null,
    dispute_id uuid not null,
    text text not null,
    author text not null,
    noted_at timestamptz not null,
    primary key (tenant_id, id),
    foreign key (tenant_id, dispute_id) references payments.disputes (tenant_id, id)
);
create index dispute_notes_by_dispute on payments.dispute_notes (tenant_id, dispute_id, id);
select platform.protect('payments.dispute_notes', 'select, insert');

-- News of disputes whose payment is not known (yet): a webhook may come before our own commit.
create table payments.dispute_news (
    tenant_id uuid not null,
    id uuid not null,
    account_id uuid not null,
    gateway text not null,
    dispute_ref text not null,
    charge_ref text not null,
    provider_ref text not null,
    status text not null check (status in ('inquiry', 'open', 'won', 'lost')),
    amount_minor bigint not null,
    currency text not null,
    fee_minor bigint,
    fee_currency text,
    reason text not null,
    respond_by timestamptz,
    noticed_at timestamptz not null,
    -- Looked at again then; null once it found its payment, or was given up.
    check_due_at timestamptz,
    found_at timestamptz,
    primary key (tenant_id, id),
    foreign key (tenant_id, account_id) references gateways.accounts (tenant_id, id)
);
create index dispute_news_due on payments.dispute_news (check_due_at) where check_due_at is not null;
select platform.protect('payments.dispute_news', 'select, insert, update');

create function payments.dispute_news_due(p_tenant uuid, p_now timestamptz, p_limit int)
    returns table (tenant_id uuid, id uuid, due_at timestamptz)
    language sql stable security definer set search_path = ''
    as $$
        select n.tenant_id, n.id, n.check_due_at
        from payments.dispute_news n
        join identity.tenants t on t.tenant_id = n.tenant_id
        where n.check_due_at <= p_now and t.status = 'active'
          and case when p_tenant is null then t.mode <> 'sandbox' else n.tenant_id = p_tenant end
        order by n.check_due_at limit p_limit
    $$;
revoke execute on function payments.dispute_news_due(uuid, timestamptz, int) from public;
grant execute on function payments.dispute_news_due(uuid, timestamptz, int) to guilder_app;

-- What of an invoice's refunds paid customer credit out: the invoice itself gave nothing back with it.
alter table invoicing.invoices
    add column paid_out_minor bigint not null default 0,
    add column disputed_minor bigint not null default 0,
    -- What credit notes of it document as given back before, by a refund or to a bank: they granted no credit for it.
    add column documented_minor bigint not null default 0;

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
    same.paid_out_minor := old.paid_out_minor;
    same.disputed_minor := old.disputed_minor;
    same.documented_minor := old.documented_minor;
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

-- Whether a dispute shuts its customer out until it is decided.
create table entitlements.settings (
    tenant_id uuid not null primary key references identity.tenants (tenant_id),
    blocks_on_dispute boolean not null default true,
    changed_at timestamptz not null
);
select platform.protect('entitlements.settings', 'select, insert, update');

-- A provider names a payment by its own references.
create index payments_by_charge_ref on payments.payments (tenant_id, account_id, charge_ref) where charge_ref <> '';
create index payments_by_provider_ref on payments.payments (tenant_id, account_id, provider_ref)
    where provider_ref <> '';
