-- The audit: what anybody did, in chains that nobody can rewrite unseen. docs/design/audit.md says why each part is as it is.

select platform.open_room('audit');

-- A chain for each tenant and partition of the log. `class` says how long its months are kept, `month` when it was written:
-- a chain's months never go back, so a month that is dropped is a beginning of each chain.
create table audit.records (
    tenant_id uuid not null,
    class text not null check (class in ('business', 'sandbox')),
    month date not null check (extract(day from month) = 1),
    partition smallint not null,
    seq bigint not null check (seq > 0),
    -- The event's own id.
    id uuid not null,
    at timestamptz not null, -- on the tenant's clock
    recorded_at timestamptz not null, -- on the wall's
    actor text not null,
    action text not null,
    version integer not null,
    object_kind text not null,
    object_id uuid,
    customer_id uuid,
    request_id text,
    -- What whoever called said why, sealed under the tenant's own key.
    sealed_reason bytea,
    -- The event as text, byte for byte what the hash was made over; what may be of a person is not in it.
    payload text not null,
    traceparent text,
    -- Four bytes a field, to name the one that was changed; the hash is what proves it.
    checks bytea not null,
    previous_hash bytea not null check (length(previous_hash) = 32),
    hash bytea not null check (length(hash) = 32),
    primary key (tenant_id, partition, seq, class, month)
) partition by list (class);
create unique index records_by_id on audit.records (tenant_id, id, class, month);
create index records_by_object on audit.records (tenant_id, object_id, id) where object_id is not null;
create index records_by_customer on audit.records (tenant_id, customer_id, id) where customer_id is not null;
create index records_by_request on audit.records (tenant_id, request_id) where request_id is not null;
-- Of people and keys: what groups of the log do goes by the thousand.
create index records_by_actor on audit.records (tenant_id, actor, id) where not starts_with(actor, 'group:');
select platform.protect('audit.records', 'select, insert');

create table audit.records_business partition of audit.records for values in ('business') partition by range (month);
create table audit.records_sandbox partition of audit.records for values in ('sandbox') partition by range (month);
-- The net: what finds no month of its own still finds a place.
create table audit.records_business_default partition of audit.records_business default;
create table audit.records_sandbox_default partition of audit.records_sandbox default;
select platform.protect(('audit.records_' || p)::regclass, 'select')
  from unnest(array['business', 'sandbox', 'business_default', 'sandbox_default']) as p;

-- Where each chain ends: its row is locked by whoever appends.
create table audit.heads (
    tenant_id uuid not null references identity.tenants (tenant_id),
    partition smallint not null,
    class text not null,
    month date not null,
    seq bigint not null check (seq >= 0),
    hash bytea not null check (length(hash) = 32),
    changed_at timestamptz not null,
    primary key (tenant_id, partition)
) with (fillfactor = 50);
create index heads_by_change on audit.heads (changed_at);
select platform.protect('audit.heads', 'select, insert, update');

-- The beginnings of chains that were dropped when they were old enough: where each goes on, and after which hash.
create table audit.closings (
    tenant_id uuid not null references identity.tenants (tenant_id),
    partition smallint not null,
    last_seq bigint not null,
    class text not null,
    month date not null,
    first_seq bigint not null,
    last_hash bytea not null check (length(last_hash) = 32),
    closed_at timestamptz not null,
    primary key (tenant_id, partition, last_seq)
);
select platform.protect('audit.closings', 'select');

-- Each look at a tenant's chains: who looked, how much, and what was wrong.
create table audit.verifications (
    tenant_id uuid not null references identity.tenants (tenant_id),
    id uuid not null,
    verified_at timestamptz not null,
    verified_by text not null,
    records bigint not null,
    chains integer not null,
    anchors integer not null,
    faults integer not null,
    first_fault text not null,
    primary key (tenant_id, id)
);
select platform.protect('audit.verifications', 'select, insert');

create table audit.exports (
    tenant_id uuid not null references identity.tenants (tenant_id),
    id uuid not null,
    wanted jsonb not null,
    asked_by text not null,
    asked_at timestamptz not null,
    ended_at timestamptz,
    records integer,
    is_complete boolean,
    lines_path text not null default '',
    table_path text not null default '',
    primary key (tenant_id, id),
    check ((ended_at is null) = (records is null))
);
select platform.protect('audit.exports', 'select, insert, update');

-- Nobody changes what is written, whoever asks: not the application, which may not, and not the owner.
create function audit.refuse_rewriting() returns trigger
    language plpgsql set search_path = ''
    as $$
begin
    raise exception 'the audit is only added to: % of % is refused', lower(tg_op), tg_table_name
        using errcode = 'integrity_constraint_violation';
end $$;
create trigger only_added_to before update or delete on audit.records
    for each row execute function audit.refuse_rewriting();
create trigger only_added_to before update or delete on audit.closings
    for each row execute function audit.refuse_rewriting();
create trigger only_added_to before update or delete on audit.verifications
    for each row execute function audit.refuse_rewriting();
-- Emptying is refused table by table: such a trigger is not handed down to partitions.
create trigger not_emptied before truncate on audit.records execute function audit.refuse_rewriting();
create trigger not_emptied before truncate on audit.records_business execute function audit.refuse_rewriting();
create trigger not_emptied before truncate on audit.records_sandbox execute function audit.refuse_rewriting();
create trigger not_emptied before truncate on audit.records_business_default execute function audit.refuse_rewriting();
create trigger not_emptied before truncate on audit.records_sandbox_default execute function audit.refuse_rewriting();
create trigger not_emptied before truncate on audit.closings execute function audit.refuse_rewriting();
create trigger not_emptied before truncate on audit.verifications execute function audit.refuse_rewriting();

-- Make the tables of the months to come. A month that the net has already caught rows of stays in the net.
create function audit.add_months(p_from date, p_ahead integer) returns integer
    language plpgsql security definer set search_path = ''
    as $$
declare
    kind text;
    one  date;
    part text;
    made integer := 0;
    net  boolean;
begin
    perform pg_advisory_xact_lock(1735747444, 0);
    perform set_config('lock_timeout', '2s', true);
    foreach kind in array array['business', 'sandbox'] loop
        for one in select (date_trunc('month', p_from) + n * interval '1 month')::date from generate_series(0, p_ahead) n loop
            part := format('records_%s_%s', kind, to_char(one, 'YYYYMM'));
            continue when to_regclass('audit.' || part) is not null;
            execute format('select exists (select from audit.records_%s_default where month = %L)', kind, one) into net;
            continue when net;
            -- Made apart and attached: that waits for no writer of the other months.
            execute format('create table audit.%I (like audit.records including defaults including constraints)', part);
            execute format('alter table audit.%I attach partition audit.%I for values from (%L) to (%L)',
                           'records_' || kind, part, one, (one + interval '1 month')::date);
            execute format('create trigger not_emptied before truncate on audit.%I execute function audit.refuse_rewriting()',
                           part);
            perform platform.protect(('audit.' || part)::regclass, 'select');
            made := made + 1;
        end loop;
    end loop;
    return made;
end $$;

-- Ids that are dated, as the application makes them.
create function audit.dated_id(p_at timestamptz) returns uuid
    language sql volatile set search_path = ''
    as $$
    select encode(set_bit(set_bit(overlay(uuid_send(gen_random_uuid())
                      placing substring(int8send(floor(extract(epoch from p_at) * 1000)::bigint) from 3) from 1 for 6),
                      52, 1), 53, 1), 'hex')::uuid
$$;

-- What time it is for a tenant.
create function audit.now_of(p_tenant uuid) returns timestamptz
    language sql stable set search_path = ''
    as $$
    select coalesce((select c.now_at from identity.sandbox_clocks c where c.tenant_id = p_tenant), statement_timestamp())
$$;

-- Drop the months of a class before `p_before` whole. What the next record of each chain follows is written down first,
-- and announced, so that the chains go on and can be verified from there.
create function audit.drop_months(p_class text, p_before date) returns integer
    language plpgsql security definer set search_path = ''
    as $$
declare
    part text;
    one  date;
    gone integer := 0;
begin
    assert p_class in ('business', 'sandbox'), p_class;
    perform pg_advisory_xact_lock(1735747444, 0);
    perform set_config('lock_timeout', '2s', true);
    for part in
        select c.relname from pg_catalog.pg_inherits i join pg_catalog.pg_class c on c.oid = i.inhrelid
         where i.inhparent = ('audit.records_' || p_class)::regclass and c.relname ~ '_\d{6}$' order by 1
    loop
        one := to_date(right(part, 6), 'YYYYMM');
        exit when one >= date_trunc('month', p_before)::date;
        execute format('lock table audit.%I in access exclusive mode', part);
        execute format(
            'with closed as (
                insert into audit.closings (tenant_id, partition, last_seq, class, month, first_seq, last_hash, closed_at)
                select distinct on (r.tenant_id, r.partition) r.tenant_id, r.partition, r.seq, r.class, r.month,
                       min(r.seq) over (partition by r.tenant_id, r.partition), r.hash, statement_timestamp()
                  from audit.%I r order by r.tenant_id, r.partition, r.seq desc
                returning *)
             insert into platform.log (day, topic, partition, tenant_id, key, event_id, name, version, payload, actor,
                                       occurred_at, recorded_at)
             select (statement_timestamp() at time zone ''utc'')::date, ''audit.rows'', platform.log_partition(c.tenant_id),
                    c.tenant_id, c.tenant_id, audit.dated_id(audit.now_of(c.tenant_id)), ''audit.month.dropped'', 1,
                    jsonb_build_object(''tenant_id'', c.tenant_id, ''month'', c.month, ''partition'', c.partition,
                                       ''first_seq'', c.first_seq, ''last_seq'', c.last_seq,
                                       ''last_hash'', encode(c.last_hash, ''hex'')),
                    ''retention'', audit.now_of(c.tenant_id), statement_timestamp()
               from closed c', part);
        execute format('drop table audit.%I', part);
        gone := gone + 1;
    end loop;
    return gone;
end $$;

-- Where the chains of businesses end that grew since, for the anchor of a day: tenants, numbers and hashes.
create function audit.heads_since(p_since timestamptz) returns table (tenant_id uuid, partition smallint, seq bigint, hash bytea)
    language sql stable security definer set search_path = ''
    as $$
    select h.tenant_id, h.partition, h.seq, h.hash from audit.heads h
     where h.class = 'business' and h.changed_at >= p_since and h.seq > 0
     order by h.tenant_id, h.partition
$$;

-- Settings tell of themselves: one trigger a statement writes what changed in each row to the log, in the same
-- transaction, whoever changed it and however. It runs as the owner, because the application writes no such rows itself.
create function audit.key_of(p_row jsonb, p_keys text[]) returns jsonb
    language sql immutable set search_path = ''
    as $$ select jsonb_object_agg(k, p_row -> k) from unnest(p_keys) as k $$;

create function audit.shown(p_name text, p_value jsonb, p_sealed text[]) returns jsonb
    language sql immutable set search_path = ''
    as $$
    select case when p_value is null or jsonb_typeof(p_value) = 'null' then 'null'::jsonb
                when p_name = any (p_sealed) then '"sealed"'
                when p_name ~ '(^|_)(hash|secret|token|password)(_|$)' then '"masked"'
                when length(p_value #>> '{}') > 500 then to_jsonb(left(p_value #>> '{}', 500) || '…')
                else p_value end
$$;

create function audit.tell(p_table regclass, p_op text, p_olds jsonb[], p_news jsonb[],
                           p_keys text[], p_sealed text[], p_passes text[]) returns void
    language plpgsql security definer set search_path = ''
    as $$
declare
    -- What is stored as bytes is sealed, or a hash.
    hidden text[] := p_sealed || array(select a.attname::text from pg_catalog.pg_attribute a
                                        where a.attrelid = p_table and a.atttypid = 'bytea'::regtype and a.attnum > 0);
begin
    insert into platform.log (day, topic, partition, tenant_id, key, event_id, name, version, payload, actor, request_id,
                              occurred_at, recorded_at)
    select (statement_timestamp() at time zone 'utc')::date, 'audit.rows', platform.log_partition(w.key), w.tenant_id, w.key,
           audit.dated_id(audit.now_of(w.tenant_id)), 'platform.row.changed', 1,
           jsonb_build_object('tenant_id', w.tenant_id, 'table', p_table::text, 'change', p_op, 'row', w.row,
                              'before', w.before, 'after', w.after),
           coalesce(nullif(current_setting('guilder.actor', true), ''), 'database:' || session_user),
           nullif(current_setting('guilder.request_id', true), ''), audit.now_of(w.tenant_id), statement_timestamp()
      from (select x.tenant_id, x.row, coalesce(x.id, x.tenant_id) as key, d.before, d.after
              from (select (coalesce(o.v, n.v) ->> 'tenant_id')::uuid as tenant_id,
                           (coalesce(o.v, n.v) ->> 'id')::uuid as id, k as row, o.v as old, n.v as new
                      from (select v, audit.key_of(v, p_keys) as k from unnest(p_olds) as v) o
                      full join (select v, audit.key_of(v, p_keys) as k from unnest(p_news) as v) n using (k)) x
             cross join lateral (
                   select jsonb_object_agg(c.name, audit.shown(c.name, c.old, hidden)) as before,
                          jsonb_object_agg(c.name, audit.shown(c.name, c.new, hidden)) as after,
                          count(*) as columns
                     from (select coalesce(a.key, b.key) as name, a.value as old, b.value as new
                             from jsonb_each(coalesce(x.old, '{}')) a
                             full join jsonb_each(coalesce(x.new, '{}')) b on a.key = b.key) c
                    where coalesce(c.old, 'null') <> coalesce(c.new, 'null')
                      and c.name <> 'tenant_id' and c.name <> all (p_passes)) d
             where d.columns > 0) w;
end $$;

create function audit.tell_changes() returns trigger
    language plpgsql security definer set search_path = ''
    as $$
declare
    olds jsonb[];
    news jsonb[];
begin
    if tg_op = 'INSERT' then
        select array_agg(to_jsonb(f)) into news from fresh f;
    elsif tg_op = 'DELETE' then
        select array_agg(to_jsonb(s)) into olds from stale s;
    else
        select array_agg(to_jsonb(f)) into news from fresh f;
        select array_agg(to_jsonb(s)) into olds from stale s;
    end if;
    if olds is null and news is null then
        return null; -- a statement that touched nothing
    end if;
    perform audit.tell(tg_relid::regclass, lower(tg_op), olds, news, string_to_array(tg_argv[0], ','),
                       string_to_array(tg_argv[1], ','), string_to_array(tg_argv[2], ','));
    return null;
end $$;

-- Have a table tell of its changes. `p_sealed`: columns of which only that they changed is told; `p_passes`: columns
-- whose changes are no decision of anybody's, and are not told; both separated by commas.
create function audit.watch(p_table regclass, p_keys text default 'id', p_sealed text default '', p_passes text default '',
                            p_inserts boolean default true) returns void
    language plpgsql
    as $$
begin
    if p_inserts then
        execute format('create trigger audit_inserts after insert on %s referencing new table as fresh
                            for each statement execute function audit.tell_changes(%L, %L, %L)',
                       p_table, p_keys, p_sealed, p_passes);
    end if;
    execute format('create trigger audit_updates after update on %s referencing old table as stale new table as fresh
                        for each statement execute function audit.tell_changes(%L, %L, %L)',
                   p_table, p_keys, p_sealed, p_passes);
    execute format('create trigger audit_deletes after delete on %s referencing old table as stale
                        for each statement execute function audit.tell_changes(%L, %L, %L)',
                   p_table, p_keys, p_sealed, p_passes);
end $$;

select audit.watch('identity.tenants', 'tenant_id', 'status_reason');
select audit.watch('identity.issuers');
select audit.watch('identity.members');
select audit.watch('identity.api_keys');
select audit.watch('identity.token_trusts');
-- Who came is told by an event; what is known of a person is sealed, and what the product calls them is theirs, too.
select audit.watch('customers.customers', 'id', 'organization_id,metadata', 'updated_at', false);
select audit.watch('catalog.plans');
select audit.watch('catalog.plan_versions', 'plan_id,version');
select audit.watch('catalog.prices');
select audit.watch('catalog.products');
select audit.watch('catalog.tax_rates');
select audit.watch('catalog.meters');
select audit.watch('catalog.promo_codes', 'id', '', 'redemptions');
select audit.watch('gateways.accounts', 'id', 'settings', 'outages,down_until,refused_at,books_due_at,books_read_to');
select audit.watch('payments.routes');
select audit.watch('payments.route_targets');
select audit.watch('payments.refund_policies', 'tenant_id');
select audit.watch('dunning.policies', 'tenant_id');
select audit.watch('dunning.plan_policies', 'plan_id');
select audit.watch('entitlements.settings', 'tenant_id');
select audit.watch('subscriptions.renewal_reminders', 'tenant_id');
select audit.watch('usage.alerts');
select audit.watch('notifications.limits', 'tenant_id');
select audit.watch('notifications.endpoints');
select audit.watch('notifications.templates', 'kind,language');
select audit.watch('webhooks.endpoints', 'id', '', 'last_success_at,last_failure_at,failing_since,failures');

-- None of these is for everyone: a definer function is a door in the wall.
do $$
declare
    door regprocedure;
begin
    for door in select p.oid::regprocedure from pg_proc p where p.pronamespace = 'audit'::regnamespace loop
        execute format('revoke execute on function %s from public', door);
    end loop;
end $$;
grant execute on function audit.add_months(date, integer), audit.drop_months(text, date), audit.heads_since(timestamptz)
    to guilder_app;

select audit.add_months((now() at time zone 'utc')::date, 2);
