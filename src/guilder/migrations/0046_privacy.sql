-- Privacy: what is known of a person is given to them, forgotten, and kept no longer than it must be.

-- An erased customer is found again by a keyed hash of the organization id that it had: late data about it is taken for
-- what it is, and nothing of it is kept.
alter table customers.customers add column erased_hash bytea not null default ''::bytea;
create index customers_erased on customers.customers (tenant_id, erased_hash) where erased_hash <> ''::bytea;

-- How long the law wants a document kept (the first day on which it may be forgotten), the words of it that are sealed
-- once its customer is erased, and when it was forgotten itself.
alter table invoicing.invoices
    add column retention_until date,
    add column sealed_words bytea,
    add column forgotten_at timestamptz;
create index invoices_to_forget on invoicing.invoices (tenant_id, retention_until)
    where number is not null and forgotten_at is null;
create index invoices_undated on invoicing.invoices (tenant_id, id) where number is not null and retention_until is null;

-- What is final stays as it is: its words may be sealed, as they are; and when the law wants it no more, its buyer and
-- its words may be forgotten. The time for which it is kept is only ever made longer.
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
    if new.metadata = '{}' then
        same.metadata := old.metadata;  -- never printed
    end if;
    if old.retention_until is null or new.retention_until >= old.retention_until then
        same.retention_until := old.retention_until;
    end if;
    if old.sealed_words is null and new.sealed_words is not null and new.memo = '' then
        same.sealed_words := old.sealed_words;
        same.memo := old.memo;
    end if;
    if old.forgotten_at is null and new.forgotten_at is not null and old.retention_until is not null
       and new.memo = '' then
        same.forgotten_at := old.forgotten_at;
        same.parties := old.parties;
        same.sealed_words := old.sealed_words;
        same.memo := old.memo;
    end if;
    if same is distinct from old then
        raise exception 'invoice % is final', old.number using errcode = 'integrity_constraint_violation';
    end if;
    if new.status <> old.status and old.status in ('paid', 'void') then
        raise exception 'invoice % is %, and cannot become %', old.number, old.status, new.status
            using errcode = 'integrity_constraint_violation';
    end if;
    return new;
end $$;

-- Of a line, only when its revenue is recognised is ever written later; and its words go where its invoice sealed them.
create or replace function invoicing.refuse_line_change() returns trigger
    language plpgsql set search_path = ''
    as $$
declare
    same invoicing.lines := new;
begin
    same.recognize_at := old.recognize_at;
    same.recognized_at := old.recognized_at;
    if new.description = '' and old.description <> ''
       and exists (select from invoicing.invoices i
                    where i.tenant_id = new.tenant_id and i.id = new.invoice_id
                      and (i.sealed_words is not null or i.forgotten_at is not null)) then
        same.description := old.description;
        if new.explanation = platform.pseudonymised(old.explanation, old.description, '') then
            same.explanation := old.explanation;
        end if;
    end if;
    if same is distinct from old then
        raise exception 'the line of an invoice never changes' using errcode = 'integrity_constraint_violation';
    end if;
    return new;
end $$;

-- What rooms may forget of what they otherwise only add to.
grant update (payer_ref), delete on gateways.payers to guilder_app;
grant update (sealed_body) on gateways.notices to guilder_app;
create index notices_old on gateways.notices (tenant_id, received_at) where sealed_body <> ''::bytea;
create index notices_by_key on gateways.notices (tenant_id, business_key);
grant update (organization_id) on entitlements.accounts to guilder_app;
grant update (old_properties, new_properties) on usage.corrections to guilder_app;
grant update (reason) on dunning.changes to guilder_app;
grant update (text, author) on payments.dispute_notes to guilder_app;
grant update (reference, sealed_note) on payments.by_hand to guilder_app;
grant update (answer, error) on webhooks.attempts to guilder_app;
grant delete on notifications.bounces, notifications.preferences to guilder_app;
create index messages_by_customer on webhooks.messages (tenant_id, customer_id) where customer_id is not null;
create index notifications_old on notifications.notifications (tenant_id, created_at) where sealed_content is not null;

-- A text that is somebody's id or name, wherever in a payload it stands; and the texts that people write.
create function platform.pseudonymised(said jsonb, old text, new text) returns jsonb
    language plpgsql immutable parallel safe set search_path = ''
    as $$
begin
    case jsonb_typeof(said)
    when 'object' then
        return coalesce((
            select jsonb_object_agg(f.key, case
                when f.key in ('metadata', 'properties') and jsonb_typeof(f.value) = 'object' then '{}'::jsonb
                when f.key in ('description', 'memo', 'note', 'text', 'sentence') and jsonb_typeof(f.value) = 'string' then '""'::jsonb
                else platform.pseudonymised(f.value, old, new) end)
              from jsonb_each(said) f), '{}');
    when 'array' then
        return coalesce((
            select jsonb_agg(platform.pseudonymised(e.value, old, new) order by e.nth)
              from jsonb_array_elements(said) with ordinality e (value, nth)), '[]');
    when 'string' then
        return case when old <> '' and said = to_jsonb(old) then to_jsonb(new) else said end;
    else
        return said;
    end case;
end $$;
revoke execute on function platform.pseudonymised(jsonb, text, text) from public;
grant execute on function platform.pseudonymised(jsonb, text, text) to guilder_app;

-- Pseudonymises what the log of one day says of a subject: events under its key, and events that name it. Returns the
-- day, or null where no day is left after `p_after`. A day at a time, so that no transaction grows with the log.
create function platform.log_pseudonymise(p_tenant uuid, p_subject uuid, p_old text, p_new text, p_after date)
    returns date
    language plpgsql security definer set search_path = ''
    as $$
declare
    one date;
begin
    if not p_tenant = any (platform.tenants()) then
        return null;
    end if;
    select min(d.day) into one from (
        select to_date(substr(c.relname, 5), 'YYYYMMDD') as day from pg_catalog.pg_inherits i
          join pg_catalog.pg_class c on c.oid = i.inhrelid
         where i.inhparent = 'platform.log'::regclass and c.relname ~ '^log_\d{8}$'
        union select l.day from platform.log_default l where l.tenant_id = p_tenant) d
     where p_after is null or d.day > p_after;
    if one is null then
        return null;
    end if;
    update platform.log l set payload = platform.pseudonymised(l.payload, p_old, p_new),
                              actor = case when starts_with(l.actor, 'user:') then 'user:erased' else l.actor end
     where l.day = one and l.tenant_id = p_tenant
       and (l.key = p_subject or l.payload ->> 'customer_id' = p_subject::text
            or l.payload ->> 'organization_id' = p_old or l.payload ->> 'customer' = p_old
            or (p_old <> '' and strpos(l.payload::text, to_jsonb(p_old)::text) > 0))
       and (l.payload is distinct from platform.pseudonymised(l.payload, p_old, p_new)
            or starts_with(l.actor, 'user:') and l.actor <> 'user:erased');
    update platform.log_parked p
       set payload = platform.pseudonymised(p.payload, p_old, p_new),
           reason = case when p_old <> '' and strpos(p.reason, p_old) > 0 then '' else p.reason end,
           traceback = case when p_old <> '' and strpos(p.traceback, p_old) > 0 then '' else p.traceback end
     where p.tenant_id = p_tenant
       and (p.key = p_subject or (p_old <> '' and strpos(p.payload::text, to_jsonb(p_old)::text) > 0));
    return one;
end $$;
revoke execute on function platform.log_pseudonymise(uuid, uuid, text, text, date) from public;
grant execute on function platform.log_pseudonymise(uuid, uuid, text, text, date) to guilder_app;

select platform.open_room('privacy');

-- Every request about a subject, with what came of it. Nothing here says who the subject is but its id; what people
-- wrote is sealed under the tenant's key, and what is still needed of the subject under the tenant's until it is done.
create table privacy.requests (
    tenant_id uuid not null,
    id uuid not null,
    customer_id uuid not null,
    kind text not null check (kind in ('export', 'erasure', 'rectification', 'restriction', 'objection')),
    state text not null check (state in ('asked', 'waiting', 'running', 'done', 'refused', 'canceled')),
    asked_by text not null,
    asked_at timestamptz not null,
    due_at timestamptz not null,
    granted_by text not null default '',
    ends_subscriptions boolean not null default false,
    sealed_reason bytea not null default ''::bytea,
    sealed_outcome bytea not null default ''::bytea,
    sealed_name bytea not null default ''::bytea, -- the organization id that is being forgotten, until it is
    legal_ground text not null default '',
    waits_for jsonb not null default '[]',
    kept jsonb not null default '[]',
    step text not null default '',
    step_at text not null default '',
    next_at timestamptz,
    done_at timestamptz,
    file_path text not null default '',
    file_bytes bigint check (file_bytes >= 0),
    file_expires_at timestamptz,
    primary key (tenant_id, id),
    foreign key (tenant_id, customer_id) references customers.customers (tenant_id, id),
    check ((done_at is not null) = (state in ('done', 'refused', 'canceled'))),
    check (file_path = '' or file_expires_at is not null)
) with (fillfactor = 80);
create index requests_due on privacy.requests (next_at) where next_at is not null;
create index requests_by_customer on privacy.requests (tenant_id, customer_id, id);
create index requests_waiting on privacy.requests (tenant_id, customer_id) where state = 'waiting';
select platform.protect('privacy.requests', 'select, insert, update');

create function privacy.requests_due(p_tenant uuid, p_now timestamptz, p_limit int)
    returns table (tenant_id uuid, id uuid, due_at timestamptz)
    language sql stable security definer set search_path = ''
    as $$
        select r.tenant_id, r.id, r.next_at
        from privacy.requests r
        join identity.tenants t on t.tenant_id = r.tenant_id
        where r.next_at is not null and r.next_at <= p_now and t.status = 'active'
          and case when p_tenant is null then t.mode <> 'sandbox' else r.tenant_id = p_tenant end
        order by r.next_at limit p_limit
    $$;
revoke execute on function privacy.requests_due(uuid, timestamptz, int) from public;
grant execute on function privacy.requests_due(uuid, timestamptz, int) to guilder_app;

-- What a subject agreed to, and took back: only ever added to. How it was proven is sealed under the subject's key.
create table privacy.consents (
    tenant_id uuid not null,
    id uuid not null,
    customer_id uuid not null,
    purpose text not null check (purpose ~ '^[a-z][a-z0-9_.-]{0,63}$'),
    version text not null check (length(version) between 1 and 100),
    is_given boolean not null,
    at timestamptz not null,
    recorded_at timestamptz not null,
    recorded_by text not null,
    sealed_proof bytea not null,
    primary key (tenant_id, id),
    foreign key (tenant_id, customer_id) references customers.customers (tenant_id, id)
);
create index consents_by_customer on privacy.consents (tenant_id, customer_id, id);
select platform.protect('privacy.consents', 'select, insert');

-- How long a tenant keeps what, where it differs from the rule, and what the last round did. One row a tenant and kind.
create table privacy.retention (
    tenant_id uuid not null references identity.tenants (tenant_id),
    kind text not null check (kind ~ '^[a-z_]{1,40}$'),
    days integer check (days between 1 and 36500),
    ran_at timestamptz,
    forgotten bigint not null default 0 check (forgotten >= 0),
    forgotten_last bigint not null default 0 check (forgotten_last >= 0),
    done_to uuid, -- where rows are gone through in the order of their ids
    primary key (tenant_id, kind)
);
select platform.protect('privacy.retention', 'select, insert, update');
create table privacy.rounds (
    tenant_id uuid not null references identity.tenants (tenant_id),
    next_at timestamptz not null,
    primary key (tenant_id)
) with (fillfactor = 50);
select platform.protect('privacy.rounds', 'select, insert, update');

-- A round is due a day after the last one; for a sandbox, whose days pass in a moment, thirty days after it.
create function privacy.rounds_due(p_tenant uuid, p_now timestamptz, p_limit int)
    returns table (tenant_id uuid, id uuid, due_at timestamptz)
    language sql stable security definer set search_path = ''
    as $$
        select t.tenant_id, t.tenant_id, d.due_at
        from identity.tenants t
        left join privacy.rounds r on r.tenant_id = t.tenant_id
        cross join lateral (select coalesce(
            r.next_at, t.created_at + case when t.mode = 'sandbox' then interval '30 days' else interval '1 day' end)
            as due_at) d
        where t.status = 'active' and d.due_at <= p_now
          and case when p_tenant is null then t.mode <> 'sandbox' else t.tenant_id = p_tenant end
        order by d.due_at limit p_limit
    $$;
revoke execute on function privacy.rounds_due(uuid, timestamptz, int) from public;
grant execute on function privacy.rounds_due(uuid, timestamptz, int) to guilder_app;
