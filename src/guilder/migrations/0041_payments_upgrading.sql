-- While two releases run side by side: the one before 0032 knows nothing of warnings, and removes or rejects methods.

create function payments.forget_warning() returns trigger
    language plpgsql set search_path = ''
    as $$
begin
    new.warn_due_at := null;
    return new;
end $$;
create trigger forget_warning before update on payments.methods
    for each row when (new.status <> 'valid' and new.warn_due_at is not null)
    execute function payments.forget_warning();

-- Accounts that were connected without being told when their books are read first.
update gateways.accounts set books_due_at = created_at
    where books_due_at is null and is_active and not is_on_own_clock;
