"""Ask for known vulnerabilities of what the lock files pin (pip-audit, the package index's own advisories).

Exit 1 says that there is one. Where the advisories cannot be had (no network; an index that is a mirror without them), it
says NOT AUDITED and exits 0: that is no finding, and must not be taken for a clean bill either. pip-audit itself calls a
package that it could not look up "skipped" and ends well, so what was skipped is counted here.

`--record` writes the date of an audit that took place to docs/security/audited.json. A check that passed is not repeated
on the same day for the same locks.
"""

import hashlib
import json
import subprocess
import sys
import tempfile
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
LOCKS = (ROOT / "requirements.lock", ROOT / "requirements-dev.lock")
RECORD = ROOT / "docs" / "security" / "audited.json"
STAMP = ROOT / ".venv" / ".audited"
TIMEOUT_S = 5
# An advisory that does not reach us, by its id: the reason, and until when it holds. Then it counts again.
ACCEPTED: dict[str, tuple[str, str]] = {}


class NotAudited(Exception):
    """Nobody could be asked."""


def main() -> int:
    today, locks = datetime.now(UTC).date().isoformat(), digest()
    if "--record" not in sys.argv and STAMP.is_file() and STAMP.read_text() == f"{today} {locks}":
        print(f"audited today: no known vulnerability in {locks[:12]}")
        return 0
    try:
        answer = audited()
    except NotAudited as reason:
        last = json.loads(RECORD.read_text())["on"] if RECORD.is_file() else "never from a machine that recorded it"
        print(f"NOT AUDITED: {reason}. Last audit: {last}. Run `make audit` where the advisories can be had.")
        return 0
    wrong = findings(answer, today)
    for said in wrong:
        print(said)
    if not wrong:
        STAMP.write_text(f"{today} {locks}")
        if "--record" in sys.argv:
            RECORD.write_text(json.dumps({"on": today, "locks": locks}) + "\n")
    return 1 if wrong else 0


def audited() -> list[dict[str, Any]]:
    """Return what pip-audit says of each package.

    :raises NotAudited: one package, asked first, could not be looked up; or pip-audit did not finish
    """
    first = LOCKS[0].read_text().partition(" \\")[0]
    with tempfile.NamedTemporaryFile("w", suffix=".txt") as one:
        one.write(first + "\n")
        one.flush()
        refuse_skipped(asked(one.name))
    answer = asked(str(LOCKS[1]))
    refuse_skipped(answer)
    return answer


def asked(requirements: str) -> list[dict[str, Any]]:
    command = [sys.executable, "-m", "pip_audit", "-r", requirements, "--no-deps", "--disable-pip"]
    options = ["--format", "json", "--progress-spinner", "off", "--timeout", str(TIMEOUT_S)]
    try:
        done = subprocess.run([*command, *options], capture_output=True, text=True, timeout=300, check=False)
        found: list[dict[str, Any]] = json.loads(done.stdout)["dependencies"]
    except (json.JSONDecodeError, KeyError, subprocess.TimeoutExpired) as error:
        raise NotAudited("the advisories cannot be reached") from error
    return found


def refuse_skipped(answer: list[dict[str, Any]]) -> None:
    skipped = [each["name"] for each in answer if "skip_reason" in each]
    if skipped or not answer:
        raise NotAudited(f"the index has no advisories for {', '.join(skipped[:3]) or 'anything'}")


def findings(answer: list[dict[str, Any]], today: str) -> list[str]:
    """Say every vulnerability that is not accepted as of today."""
    return [
        f"{each['name']} {each['version']}: {known['id']}, fixed in {', '.join(known['fix_versions']) or 'no version yet'}"
        for each in answer
        for known in each.get("vulns", ())
        if ACCEPTED.get(known["id"], ("", ""))[1] < today
    ]


def digest() -> str:
    return hashlib.sha256(b"".join(lock.read_bytes() for lock in LOCKS)).hexdigest()


if __name__ == "__main__":
    sys.exit(main())
