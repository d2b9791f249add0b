#!/usr/bin/env bash
# The whole system of compose.yaml: made up passwords the first time, then everything up, then something to see in it.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
passwords="${COMPOSE_PASSWORDS:-.data/compose.env}"

write_passwords() {
    mkdir -p "$(dirname "$passwords")"
    # From its first byte on nobody else reads it.
    umask 077
    {
        for name in SUPERUSER OWNER LOGIN DOCTOR REPLICATION REDIS GRAFANA; do
            echo "${name}_PASSWORD=$(od -An -tx1 -N24 /dev/urandom | tr -d ' \n')"
        done
        echo "METRICS_TOKEN=$(od -An -tx1 -N24 /dev/urandom | tr -d ' \n')"
        echo "GUILDER_MASTER_KEY=$(head -c 32 /dev/urandom | base64 | tr -d '\n')"
    } >"$passwords.new"
    mv "$passwords.new" "$passwords"
    echo "Made passwords and the master key: $passwords. Keep it: without it the data of these containers is closed."
}

if ! command -v docker >/dev/null || ! docker compose version >/dev/null 2>&1; then
    echo "make up_all runs everything in containers and needs Docker with Compose 2.24 or later: https://docs.docker.com/engine/install/"
    echo "Without Docker, \`make up\` runs all of Guilder on this machine, on the same port 4000."
    exit 1
fi
if ! docker info >/dev/null 2>&1; then
    echo "Docker is installed, but its engine does not answer: start it (\`sudo systemctl start docker\`), or see \`docker info\`."
    echo "Without Docker, \`make up\` runs all of Guilder on this machine, on the same port 4000."
    exit 1
fi

[ -s "$passwords" ] || write_passwords
compose=(docker compose --env-file "$passwords")
[ ! -f .env ] || compose+=(--env-file .env)
REVISION="$(git rev-parse HEAD 2>/dev/null || echo unknown)"
export REVISION
"${compose[@]}" up --build --detach --wait
"${compose[@]}" run --rm seed
echo "Guilder runs: http://localhost:4000 (TLS: https://localhost:4443). \`${compose[*]} logs -f\` shows it, \`${compose[*]} down\` stops it."
