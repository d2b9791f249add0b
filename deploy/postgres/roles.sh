#!/bin/bash
# The roles and the one database of Guilder. Runs once, when the image of PostgreSQL makes its data folder, and may be run
# again against any server: it only sets what is not so.   PGHOST=… PGUSER=postgres deploy/postgres/roles.sh
#
# guilder_owner owns the tables and runs the migrations; guilder_login is the product, bound by row-level security;
# guilder_doctor_login reads; guilder_replication copies the log. Nobody of them is a superuser.
set -euo pipefail

secret() { # a Compose secret, or a variable of the same name in capitals
    local name="$1" upper="${1^^}"
    if [ -r "/run/secrets/$name" ]; then cat "/run/secrets/$name"; else printf '%s' "${!upper:?set $upper}"; fi
}

psql -v ON_ERROR_STOP=1 --no-psqlrc --quiet --username "${POSTGRES_USER:-${PGUSER:-postgres}}" --dbname postgres \
    -v owner_password="$(secret owner_password)" \
    -v login_password="$(secret login_password)" \
    -v doctor_password="$(secret doctor_password)" \
    -v replication_password="$(secret replication_password)" <<'SQL'
set client_min_messages = warning;
set password_encryption = 'scram-sha-256';
do $$
declare name text;
begin
    foreach name in array array['guilder_app', 'guilder_doctor', 'guilder_owner', 'guilder_login',
                                'guilder_doctor_login', 'guilder_replication'] loop
        if not exists (select from pg_roles where rolname = name) then
            execute format('create role %I', name);
        end if;
    end loop;
end $$;
alter role guilder_owner login nosuperuser nocreaterole nocreatedb nobypassrls noreplication password :'owner_password';
alter role guilder_login login nosuperuser nocreaterole nocreatedb nobypassrls noreplication password :'login_password';
alter role guilder_doctor_login login nosuperuser nocreaterole nocreatedb nobypassrls noreplication password :'doctor_password';
alter role guilder_doctor_login set default_transaction_read_only = on;
alter role guilder_replication login nosuperuser nocreaterole nocreatedb nobypassrls replication password :'replication_password';
grant guilder_app to guilder_login;
grant guilder_doctor to guilder_doctor_login;
grant guilder_app, guilder_doctor to guilder_owner;
select 'create database guilder owner guilder_owner'
 where not exists (select from pg_database where datname = 'guilder') \gexec
revoke all on database guilder from public;
grant connect, temporary on database guilder to guilder_login, guilder_doctor_login;
revoke connect on database postgres from public;
-- What the replica has not yet read is kept for it, up to max_slot_wal_keep_size.
select pg_create_physical_replication_slot('replica')
 where not exists (select from pg_replication_slots where slot_name = 'replica');
SQL
