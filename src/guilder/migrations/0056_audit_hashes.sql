-- A keyed hash that a row is searched by is made of what is sealed beside it, and made anew of every row when the master key
-- is changed: nobody decided anything, and nothing is told.
create or replace trigger audit_updates after update on customers.customers
    referencing old table as stale new table as fresh
    for each statement
    execute function audit.tell_changes('id', 'organization_id,metadata,tax_exempt_reason', 'updated_at,email_hash');
create or replace trigger audit_updates after update on identity.members
    referencing old table as stale new table as fresh
    for each statement execute function audit.tell_changes('id', 'subject', 'email_hash');
