-- What is owed. An invoice is a draft only within the transaction that makes it: drafts have no number, what has one is
-- final, and what is final never changes but for being paid, voided, given up, and for where its document lies.

select platform.open_room('invoicing');

create table invoicing.invoices (
    tenant_id uuid not null,
    id uuid not null,
    customer_id uuid not null,
    subscription_id uuid,
    order_id uuid,
    issuer_id uuid not null,
    sequence bigint,
    number text,
    status text not null check (status in ('draft', 'open', 'paid', 'void', 'uncollectible')),
    currency text not null check (currency ~ '^[A-Z]{3}$'),
    subtotal_minor bigint not null,
    tax_minor bigint not null,
    total_minor bigint not null check (total_minor >= 0),
    paid_minor bigint not null default 0 check (paid_minor >= 0),
    credited_minor bigint not null default 0 check (credited_minor >= 0),
    refunded_minor bigint not null default 0 check (refunded_minor >= 0),
    taxes jsonb not null,
    parties bytea not null,
    language text not null,
    time_zone text not null,
    issued_at timestamptz not null,
    issued_on date not null,
    due_at timestamptz not null,
    payment_method_id uuid,
    metadata jsonb not null,
    created_at timestamptz not null,
    finalized_at timestamptz,
    paid_at timestamptz,
    voided_at timestamptz,
    given_up_at timestamptz,
    overdue_at timestamptz,  -- when it was told of that it is
    content_sha256 text,
    document_path text not null default '',
    document_status text not null default '',
    primary key (tenant_id, id),
    unique (tenant_id, issuer_id, sequence),
    foreign key (tenant_id, customer_id) references customers.customers (tenant_id, id),
    foreign key (tenant_id, subscription_id) references subscriptions.subscriptions (tenant_id, id),
    foreign key (tenant_id, issuer_id) references identity.issuers (tenant_id, id),
    check (total_minor = subtotal_minor + tax_minor),
    check ((status = 'draft') = (number is null)),
    check ((number is null) = (sequence is null)),
    check ((number is null) = (finalized_at is null)),
    check ((number is null) = (content_sha256 is null)),
    check ((status = 'void') = (voided_at is not null)),
    check (status <> 'paid' or paid_minor + credited_minor >= total_minor),
    check (status <> 'open' or total_minor = 0 or paid_minor + credited_minor < total_minor)
) with (fillfactor = 80);
create index invoices_by_customer on invoicing.invoices (tenant_id, customer_id, id);
create index invoices_by_subscription on invoicing.invoices (tenant_id, subscription_id, id)
    where subscription_id is not null;
create index invoices_by_number on invoicing.invoices (tenant_id, number) where number is not null;
select platform.protect('invoicing.invoices', 'select, insert, update');

create index invoices_falling_overdue on invoicing.invoices (due_at) where status = 'open' and overdue_at is null;

create table invoicing.lines (
    tenant_id uuid not null,
    id uuid not null,
    invoice_id uuid not null,
    number integer not null check (number >= 1),
    kind text not null check (kind in ('recurring', 'proration_credit', 'proration_charge', 'product', 'charge')),
    description text not null,
    quantity bigint not null,
    unit_amount_minor bigint,
    amount_minor bigint not null,
    tax_percent numeric(7, 4) not null,
    tax_minor bigint not null,
    currency text not null,
    period_start timestamptz,
    period_end timestamptz,
    subscription_id uuid,
    product_id uuid,
    billed_item text not null,
    explanation jsonb not null,
    -- When the service of a line that was billed in advance has been given, and when that was booked.
    recognize_at timestamptz,
    recognized_at timestamptz,
    primary key (tenant_id, id),
    unique (tenant_id, invoice_id, number),
    foreign key (tenant_id, invoice_id) references invoicing.invoices (tenant_id, id),
    check ((period_start is null) = (period_end is null))
);
create index lines_to_recognize on invoicing.lines (recognize_at)
    where recognize_at is not null and recognized_at is null;
select platform.protect('invoicing.lines', 'select, insert, update');

-- Nothing is billed twice: one row for each thing that an invoice bills, whatever invoice that is; a void frees it.
create table invoicing.billed_items (
    tenant_id uuid not null,
    billed_item text not null,
    invoice_id uuid not null,
    primary key (tenant_id, billed_item),
    foreign key (tenant_id, invoice_id) references invoicing.invoices (tenant_id, id)
);
create index billed_items_by_invoice on invoicing.billed_items (tenant_id, invoice_id);
select platform.protect('invoicing.billed_items', 'select, insert, delete');

-- The next number of each issuer. Taken last before the commit, so it makes only that commit wait.
create table invoicing.series (
    tenant_id uuid not null,
    issuer_id uuid not null,
    next bigint not null check (next >= 1),
    primary key (tenant_id, issuer_id),
    foreign key (tenant_id, issuer_id) references identity.issuers (tenant_id, id)
);
select platform.protect('invoicing.series', 'select, insert, update');

create table invoicing.states (
    tenant_id uuid not null,
    invoice_id uuid not null,
    id bigint generated always as identity,
    from_status text not null,
    to_status text not null,
    primary key (tenant_id, invoice_id, id),
    foreign key (tenant_id, invoice_id) references invoicing.invoices (tenant_id, id)
);
select platform.protect('invoicing.states', 'select, insert');

create function invoicing.log_state() returns trigger
    language plpgsql set search_path = ''
    as $$
begin
    insert into invoicing.states (tenant_id, invoice_id, from_status, to_status)
        select n.tenant_id, n.id, o.status, n.status
        from new_rows n join old_rows o on o.tenant_id = n.tenant_id and o.id = n.id
        where o.status <> n.status;
    return null;
end $$;
create trigger states after update on invoicing.invoices
    referencing new table as new_rows old table as old_rows
    for each statement execute function invoicing.log_state();

-- What is final stays as it is, whoever asks: only what is named here moves on, and what is paid or void is over.
create function invoicing.refuse_change() returns trigger
    language plpgsql set search_path = ''
    as $$
declare
    same invoicing.invoices := new;
begin
    same.status := old.status;
    same.paid_minor := old.paid_minor;
    same.credited_minor := old.credited_minor;
    same.refunded_minor := old.refunded_minor;
    same.paid_at := old.paid_at;
    same.voided_at := old.voided_at;
    same.given_up_at := old.given_up_at;
    same.overdue_at := old.overdue_at;
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
create trigger frozen before update on invoicing.invoices
    for each row when (old.number is not null) execute function invoicing.refuse_change();

-- Of a line, only when its revenue is recognised is ever written later.
create function invoicing.refuse_line_change() returns trigger
    language plpgsql set search_path = ''
    as $$
declare
    same invoicing.lines := new;
begin
    same.recognize_at := old.recognize_at;
    same.recognized_at := old.recognized_at;
    if same is distinct from old then
        raise exception 'the line of an invoice never changes' using errcode = 'integrity_constraint_violation';
    end if;
    return new;
end $$;
create trigger frozen before update on invoicing.lines
    for each row execute function invoicing.refuse_line_change();

create function invoicing.refuse_late_line() returns trigger
    language plpgsql set search_path = ''
    as $$
begin
    if exists (select from new_lines n
               join invoicing.invoices i on i.tenant_id = n.tenant_id and i.id = n.invoice_id
               where i.number is not null) then
        raise exception 'a final invoice takes no more lines' using errcode = 'integrity_constraint_violation';
    end if;
    return null;
end $$;
create trigger in_time after insert on invoicing.lines
    referencing new table as new_lines
    for each statement execute function invoicing.refuse_late_line();

create function invoicing.refuse_removal() returns trigger
    language plpgsql set search_path = ''
    as $$ begin
        raise exception 'invoices are never removed' using errcode = 'integrity_constraint_violation';
    end $$;
create trigger kept before delete or truncate on invoicing.invoices
    for each statement execute function invoicing.refuse_removal();
create trigger kept before delete or truncate on invoicing.lines
    for each statement execute function invoicing.refuse_removal();

create function invoicing.recognition_due(p_tenant uuid, p_now timestamptz, p_limit int)
    returns table (tenant_id uuid, id uuid, due_at timestamptz)
    language sql stable security definer set search_path = ''
    as $$
        select l.tenant_id, l.id, l.recognize_at
        from invoicing.lines l
        join identity.tenants t on t.tenant_id = l.tenant_id
        where l.recognize_at is not null and l.recognized_at is null and l.recognize_at <= p_now
          and t.status = 'active'
          and case when p_tenant is null then t.mode <> 'sandbox' else l.tenant_id = p_tenant end
        order by l.recognize_at limit p_limit
    $$;
revoke execute on function invoicing.recognition_due(uuid, timestamptz, int) from public;
grant execute on function invoicing.recognition_due(uuid, timestamptz, int) to guilder_app;

-- An hour after the due date: what is charged on the day itself is on its way until then.
create function invoicing.overdue_due(p_tenant uuid, p_now timestamptz, p_limit int)
    returns table (tenant_id uuid, id uuid, due_at timestamptz)
    language sql stable security definer set search_path = ''
    as $$
        select i.tenant_id, i.id, i.due_at + interval '1 hour'
        from invoicing.invoices i
        join identity.tenants t on t.tenant_id = i.tenant_id
        where i.status = 'open' and i.overdue_at is null and t.status = 'active'
          and (p_now = 'infinity' or i.due_at <= p_now - interval '1 hour')
          and case when p_tenant is null then t.mode <> 'sandbox' else i.tenant_id = p_tenant end
        order by i.due_at limit p_limit
    $$;
revoke execute on function invoicing.overdue_due(uuid, timestamptz, int) from public;
grant execute on function invoicing.overdue_due(uuid, timestamptz, int) to guilder_app;
