#!/usr/bin/env bash
# What the tests want from the system's own packages: a table, one apt call, and no service started by it.
# Never fails: tests that need one of them say so themselves, and under CI=true they fail without it.
set -uo pipefail

# package          a command of it         for
table="
chromium           chromium                browser tests
poppler-utils      pdftoppm                pictures of PDFs
redis-server       redis-server            caches and limits
nginx              nginx                   the reverse proxy of deploy/nginx
pgbouncer          pgbouncer               pooled connections
prometheus         promtool                alert rules
default-jre-headless java                  Kafka
maven              mvn                     Kafka (scripts/kafka.sh)
"

# Debian keeps servers in /usr/sbin, which is not on everybody's PATH.
export PATH="$PATH:/usr/sbin:/sbin"
missing=()
while read -r package command _; do
    [ -z "$package" ] || command -v "$command" >/dev/null || missing+=("$package")
done <<<"$table"
if command -v chromium-browser >/dev/null || command -v google-chrome >/dev/null; then
    for at in "${!missing[@]}"; do [ "${missing[$at]}" != chromium ] || unset "missing[$at]"; done
fi
[ "${#missing[@]}" -eq 0 ] && exit 0

if ! command -v apt-get >/dev/null || [ "$(id -u)" -ne 0 ]; then
    echo "Not installed: ${missing[*]}. The tests that need them are skipped; to run those too, install them with your system's package manager."
    exit 0
fi

# Debian asks policy-rc.d before a package starts its server; 101 says no. One that is there already is left alone.
policy=/usr/sbin/policy-rc.d
if [ ! -e "$policy" ]; then
    printf '#!/bin/sh\nexit 101\n' >"$policy" && chmod 755 "$policy"
    trap 'rm -f "$policy"' EXIT
fi

echo "Installing ${missing[*]} (a minute or two) ..."
export DEBIAN_FRONTEND=noninteractive
log="$(mktemp)"
fetched() {
    apt-get update -qq >"$log" 2>&1 &&
        apt-get install -y -qq --no-install-recommends -o DPkg::Lock::Timeout=120 "${missing[@]}" >>"$log" 2>&1
}
# Twice: another apt on the same machine may have been in its way.
if fetched || fetched; then
    echo "Installed ${missing[*]}."
else
    tail -n 5 "$log"
    echo "Could not install ${missing[*]}; the tests that need them are skipped."
fi
rm -f "$log"
