#!/usr/bin/env bash
# Chromium (browser tests) and poppler-utils (pictures of PDFs), from the system's own packages. Never fails:
# tests that need one of them say so themselves, and under CI=true they fail without it.
set -uo pipefail

missing=()
command -v chromium >/dev/null || command -v chromium-browser >/dev/null || command -v google-chrome >/dev/null || missing+=(chromium)
command -v pdftoppm >/dev/null || missing+=(poppler-utils)
[ "${#missing[@]}" -eq 0 ] && exit 0

if ! command -v apt-get >/dev/null || [ "$(id -u)" -ne 0 ]; then
    echo "Not installed: ${missing[*]}. The tests that need them are skipped; to run those too, install them with your system's package manager."
    exit 0
fi

echo "Installing ${missing[*]} (a minute or two) ..."
export DEBIAN_FRONTEND=noninteractive
log="$(mktemp)"
if apt-get update -qq >"$log" 2>&1 && apt-get install -y -qq --no-install-recommends "${missing[@]}" >>"$log" 2>&1; then
    echo "Installed ${missing[*]}."
else
    tail -n 5 "$log"
    echo "Could not install ${missing[*]}; the tests that need them are skipped."
fi
rm -f "$log"
