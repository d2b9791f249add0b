-- The books. An entry is a header and its postings; both are written once, together, and never touched again.

select platform.open_room('ledger');

create table ledger.entries (
    tenant_id uuid not null,
    id uuid not null,
    kind text not null,
    source_type text not null,
    source_id uuid not null,
    customer_id uuid,
    currency text not null check (currency ~ '^[A-Z]{3}$'),
    posted_at timestamptz not null,
    first_line smallint not null default 1 check (first_line = 1),
    primary key (tenant_id, id),
    -- One posting per fact, whoever reports it and however often.
    unique (tenant_id, kind, source_type, source_id),
    unique (tenant_id, id, currency)
);
select platform.protect('ledger.entries', 'select, insert');

create table ledger.postings (
    tenant_id uuid not null,
    entry_id uuid not null,
    line smallint not null,
    account text not null,
    ref_id uuid,
    currency text not null,
    amount_minor bigint not null check (amount_minor <> 0),
    primary key (tenant_id, entry_id, line),
    constraint postings_in_their_entrys_currency
        foreign key (tenant_id, entry_id, currency) references ledger.entries (tenant_id, id, currency)
);
create index postings_by_account on ledger.postings (tenant_id, account, currency) include (amount_minor);
create index postings_by_ref on ledger.postings (tenant_id, ref_id, account) where ref_id is not null;
select platform.protect('ledger.postings', 'select, insert');

-- An entry without postings would be a fact that was never booked: judged at the commit, when both are there.
alter table ledger.entries add constraint entries_are_booked
    foreign key (tenant_id, id, first_line) references ledger.postings (tenant_id, entry_id, line)
    deferrable initially deferred;

-- The database itself refuses what does not balance. The whole of an entry comes in one statement, so a trigger once a
-- statement sees all of it: it must add up to nothing and have two sides or more. It begins with line 1, which there is
-- once: so an entry that is written takes no more. Nothing is looked up here: it is called for every movement of money,
-- and a lookup in a trigger keeps the plan that it made when the table was empty.
create function ledger.refuse_unbalanced() returns trigger
    language plpgsql set search_path = ''
    as $$
declare
    bad uuid;
begin
    select n.entry_id into bad from new_postings n
        group by n.tenant_id, n.entry_id
        having sum(n.amount_minor) <> 0 or count(*) < 2 limit 1;
    if found then
        raise exception 'ledger entry % does not balance', bad using errcode = 'integrity_constraint_violation';
    end if;
    select n.entry_id into bad from new_postings n
        group by n.tenant_id, n.entry_id having min(n.line) <> 1 limit 1;
    if found then
        raise exception 'ledger entry % is already written', bad using errcode = 'integrity_constraint_violation';
    end if;
    return null;
end $$;

create trigger balanced after insert on ledger.postings
    referencing new table as new_postings
    for each statement execute function ledger.refuse_unbalanced();

create function ledger.refuse_change() returns trigger
    language plpgsql set search_path = ''
    as $$ begin
        raise exception 'the ledger is never changed, only reversed' using errcode = 'integrity_constraint_violation';
    end $$;

create trigger written_once before update or delete or truncate on ledger.entries
    for each statement execute function ledger.refuse_change();
create trigger written_once before update or delete or truncate on ledger.postings
    for each statement execute function ledger.refuse_change();
