-- What the audit is told of settings' rows stays for years and can never be changed: what may be of a person, or open a
-- door, stays out of it.

-- Why a customer pays no tax is written by people, and gone when the customer is erased; a member's subject is the
-- issuer's name of a person, and gone when the member is removed.
create or replace trigger audit_updates after update on customers.customers
    referencing old table as stale new table as fresh
    for each statement execute function audit.tell_changes('id', 'organization_id,metadata,tax_exempt_reason', 'updated_at');
create or replace trigger audit_deletes after delete on customers.customers
    referencing old table as stale
    for each statement execute function audit.tell_changes('id', 'organization_id,metadata,tax_exempt_reason', 'updated_at');
create or replace trigger audit_inserts after insert on identity.members
    referencing new table as fresh
    for each statement execute function audit.tell_changes('id', 'subject', '');
create or replace trigger audit_updates after update on identity.members
    referencing old table as stale new table as fresh
    for each statement execute function audit.tell_changes('id', 'subject', '');
create or replace trigger audit_deletes after delete on identity.members
    referencing old table as stale
    for each statement execute function audit.tell_changes('id', 'subject', '');

-- Of an address its host is told, which says to whom things go; what follows may be a secret of the receiver's.
create or replace function audit.shown(p_name text, p_value jsonb, p_sealed text[]) returns jsonb
    language sql immutable set search_path = ''
    as $$
    select case when p_value is null or jsonb_typeof(p_value) = 'null' then 'null'::jsonb
                when p_name = any (p_sealed) then '"sealed"'
                when p_name ~ '(^|_)url$' then to_jsonb(regexp_replace(p_value #>> '{}', '^([^/]*//[^/?#]*).*$', '\1/…'))
                when p_name ~ '(^|_)(hash|secret|token|password)(_|$)' then '"masked"'
                when length(p_value #>> '{}') > 500 then to_jsonb(left(p_value #>> '{}', 500) || '…')
                else p_value end
$$;
