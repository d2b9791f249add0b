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
    primary key (tenant_id, id),
    -- One posting per fact, whoever reports it and however often.
    unique (tenant_id, kind, source_type, source_id)
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
    foreign key (tenant_id, entry_id) references ledger.entries (tenant_id, id)
);
create index postings_by_account on ledger.postings (tenant_id, account, currency) include (amount_minor);
create index postings_by_ref on ledger.postings (tenant_id, ref_id, account) where ref_id is not null;
select platform.protect('ledger.postings', 'select, insert');

-- The database itself refuses what does not balance. The whole of an entry comes in one statement, so a trigger once a
-- statement sees all of it: it must add up to nothing, have two sides or more, be in its entry's currency, and an entry
-- that has postings already takes no more.
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
        join ledger.entries e on e.tenant_id = n.tenant_id and e.id = n.entry_id
        where e.currency <> n.currency limit 1;
    if found then
        raise exception 'ledger entry % mixes currencies', bad using errcode = 'integrity_constraint_violation';
    end if;
    select n.entry_id into bad
        from (select tenant_id, entry_id, count(*) as lines from new_postings group by tenant_id, entry_id) n
        where n.lines <> (select count(*) from ledger.postings p
                          where p.tenant_id = n.tenant_id and p.entry_id = n.entry_id) limit 1;
    if found then
        raise exception 'ledger entry % is already written', bad using errcode = 'integrity_constraint_violation';
    end if;
    return null;
end $$;

create trigger balanced after insert on ledger.postings
    referencing new table as new_postings
    for each statement execute function ledger.refuse_unbalanced();

-- An entry without postings would be a fact that was never booked: judged at the commit, when both are there.
create function ledger.refuse_empty() returns trigger
    language plpgsql set search_path = ''
    as $$
begin
    if not exists (select from ledger.postings p where p.tenant_id = new.tenant_id and p.entry_id = new.id) then
        raise exception 'ledger entry % has no postings', new.id using errcode = 'integrity_constraint_violation';
    end if;
    return null;
end $$;

create constraint trigger booked after insert on ledger.entries
    deferrable initially deferred for each row execute function ledger.refuse_empty();

create function ledger.refuse_change() returns trigger
    language plpgsql set search_path = ''
    as $$ begin
        raise exception 'the ledger is never changed, only reversed' using errcode = 'integrity_constraint_violation';
    end $$;

create trigger written_once before update or delete or truncate on ledger.entries
    for each statement execute function ledger.refuse_change();
create trigger written_once before update or delete or truncate on ledger.postings
    for each statement execute function ledger.refuse_change();
