-- The ground: the two roles, whose rows a transaction may see, and how a table is protected.

do $$
begin
    -- Roles belong to the whole cluster: another database of it may have made them.
    if not exists (select from pg_roles where rolname = 'guilder_app') then
        create role guilder_app nologin nobypassrls;
    end if;
    if not exists (select from pg_roles where rolname = 'guilder_doctor') then
        create role guilder_doctor nologin nobypassrls;
    end if;
exception when duplicate_object or unique_violation then null;
end $$;

-- Where one login both migrates and serves, it still serves as guilder_app (set local role).
do $$
begin
    if not pg_has_role(current_user, 'guilder_app', 'member') then
        execute format('grant guilder_app to %I', current_user);
    end if;
    if not pg_has_role(current_user, 'guilder_doctor', 'member') then
        execute format('grant guilder_doctor to %I', current_user);
    end if;
end $$;

create schema platform;
grant usage on schema platform to guilder_app, guilder_doctor;

-- The tenants that this transaction may see; none if it has not said.
create function platform.tenants() returns uuid[]
    language sql stable parallel safe
    as $$ select coalesce(nullif(current_setting('guilder.tenants', true), ''), '{}')::uuid[] $$;

-- Every table with a tenant_id goes through here: forced row-level security, the application's grants, the doctor's eye.
-- The sub-select makes PostgreSQL ask once a statement, not once a row.
create function platform.protect(target regclass, privileges text default 'select, insert, update, delete') returns void
    language plpgsql
    as $$
begin
    execute format('alter table %s enable row level security', target);
    execute format('alter table %s force row level security', target);
    execute format(
        'create policy tenant on %s to guilder_app
             using (tenant_id = any ((select platform.tenants())::uuid[]))
             with check (tenant_id = any ((select platform.tenants())::uuid[]))', target);
    execute format('create policy doctor on %s for select to guilder_doctor using (true)', target);
    -- A definer function runs as the owner, which forced row-level security binds as well.
    execute format('create policy owner on %s to current_user using (true) with check (true)', target);
    execute format('grant %s on %s to guilder_app', privileges, target);
    execute format('grant select on %s to guilder_doctor', target);
end $$;
revoke execute on function platform.protect(regclass, text) from public;

-- A room's schema: the application and the doctor may enter.
create function platform.open_room(room text) returns void
    language plpgsql
    as $$
begin
    execute format('create schema %I', room);
    execute format('grant usage on schema %I to guilder_app, guilder_doctor', room);
end $$;
revoke execute on function platform.open_room(text) from public;
