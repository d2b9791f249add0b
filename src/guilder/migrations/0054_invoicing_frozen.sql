-- What refunds paid out as credit, what banks took back and what credit notes document is written on final invoices, as it
-- was before 0046 left it out.
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
