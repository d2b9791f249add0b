-- One key per subject (a customer, a member of staff, the tenant itself), wrapped by a master key.
-- A destroyed key leaves its row behind: that it was destroyed, and when, is what an erasure can show.

create table platform.subject_keys (
    tenant_id    uuid        not null,
    subject_id   uuid        not null,
    wrapped_key  bytea,
    created_at   timestamptz not null,
    destroyed_at timestamptz,
    primary key (tenant_id, subject_id),
    constraint destroyed_or_not check ((wrapped_key is null) = (destroyed_at is not null))
);
select platform.protect('platform.subject_keys');

-- The doctor looks at everything, but opens nothing: it may count keys, not read them.
revoke select on platform.subject_keys from guilder_doctor;
grant select (tenant_id, subject_id, created_at, destroyed_at) on platform.subject_keys to guilder_doctor;

-- A key that was destroyed stays destroyed, whatever the application does.
create function platform.keep_destroyed() returns trigger
    language plpgsql
    as $$
begin
    if old.destroyed_at is not null and new.wrapped_key is not null then
        raise exception 'the key of subject % was destroyed', old.subject_id using errcode = 'check_violation';
    end if;
    return new;
end $$;
create trigger keep_destroyed before update on platform.subject_keys
    for each row execute function platform.keep_destroyed();
