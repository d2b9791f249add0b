#!/bin/bash
# A streaming replica: copied from the primary the first time, and from then on what it was. Then PostgreSQL itself.
set -euo pipefail

data="${PGDATA:?}"
primary="${PRIMARY_HOST:-postgres}"
copied="$data/guilder.copied"
# PG_VERSION is there long before the rest: a copy that was cut short is no replica, and begins again.
if [ ! -e "$copied" ]; then
    # pg_basebackup writes the password into postgresql.auto.conf (0600, this folder), where the receiver finds it.
    install -d -o postgres -g postgres -m 700 "$data"
    PGPASSWORD="$(cat /run/secrets/replication_password)"
    export PGPASSWORD
    rm -rf "${data:?}"/*
    until gosu postgres pg_basebackup --host "$primary" --username guilder_replication --pgdata "$data" \
        --wal-method stream --slot replica --write-recovery-conf --checkpoint fast; do
        echo "the primary is not there yet"
        rm -rf "${data:?}"/*
        sleep 2
    done
    unset PGPASSWORD
    gosu postgres touch "$copied"
fi
exec docker-entrypoint.sh "$@"
