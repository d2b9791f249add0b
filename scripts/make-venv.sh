#!/usr/bin/env bash
# Make the virtual environment with the first Python that is new enough; PYTHON=... names one.
set -euo pipefail
venv="$1"
candidates=(${PYTHON:-python3.11 python3.12 python3.13 python3.14 python3})

for python in "${candidates[@]}"; do
    if "$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
        if "$python" -m venv "$venv"; then
            exit 0
        fi
        echo "$python cannot make a virtual environment; on Debian or Ubuntu install its venv package (apt-get install python3-venv)." >&2
        exit 1
    fi
done

found="$("${PYTHON:-python3}" --version 2>&1 || true)"
[[ "$found" == Python* ]] || found="none"
echo "Guilder needs Python 3.11 or newer and found ${found#Python } (${PYTHON:-python3}); install one, or run make with PYTHON=/path/to/python3.11." >&2
exit 1
