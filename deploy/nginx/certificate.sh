#!/bin/sh
# A development certificate, made once: NAME FOLDER. Its own authority signs it, for browsers to be told of; the
# authority's key is thrown away, so nobody can sign a second one.
set -eu
name="${1:-localhost}" folder="${2:-/etc/guilder/tls}"
if [ -s "$folder/server.crt" ] && openssl x509 -checkend 86400 -noout -in "$folder/server.crt" >/dev/null; then
    exit 0
fi
umask 077
work="$(mktemp -d)"
trap 'rm -rf "$work"' EXIT
printf 'basicConstraints=critical,CA:FALSE\nkeyUsage=critical,digitalSignature\nextendedKeyUsage=serverAuth\nsubjectAltName=DNS:%s,DNS:localhost,IP:127.0.0.1\n' "$name" >"$work/leaf.ext"
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 397 -subj "/CN=Guilder development authority" \
    -addext "keyUsage=critical,keyCertSign" -keyout "$work/ca.key" -out "$work/ca.crt" 2>/dev/null
openssl req -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -subj "/CN=$name" \
    -keyout "$work/server.key" -out "$work/server.csr" 2>/dev/null
openssl x509 -req -days 397 -in "$work/server.csr" -CA "$work/ca.crt" -CAkey "$work/ca.key" -set_serial "0x$(openssl rand -hex 16)" \
    -extfile "$work/leaf.ext" -out "$work/server.crt" 2>/dev/null
mkdir -p "$folder"
cp "$work/ca.crt" "$work/server.crt" "$work/server.key" "$folder/"
# nginx reads it as another user of the same container's group; nobody else's folder this is.
chmod 644 "$folder/ca.crt" "$folder/server.crt"
chmod "${KEY_MODE:-600}" "$folder/server.key"
echo "Made a development certificate for $name, valid for 397 days. Trust $folder/ca.crt to see no warning."
