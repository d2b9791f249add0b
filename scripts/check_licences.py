"""Say whose licence does not let us ship them: every package of requirements.lock, from its own metadata.

What is only used to develop (requirements-dev.lock) is not shipped and may be under any licence.
"""

import re
import sys
from importlib.metadata import PackageNotFoundError, metadata
from pathlib import Path

LOCK = Path(__file__).parents[1] / "requirements.lock"
# As SPDX writes them, as classifiers do, and as authors do who write neither.
ALLOWED = {
    "0BSD", "Apache-2.0", "BSD-2-Clause", "BSD-3-Clause", "ISC", "MIT", "MIT-0", "MPL-2.0", "PSF-2.0", "Unlicense", "Zlib",
    "MIT License", "BSD License", "3-Clause BSD License", "ISC License", "ISC License (ISCL)", "Public Domain",
    "Apache Software License", "Mozilla Public License 2.0 (MPL 2.0)", "Python Software Foundation License",
}  # fmt: skip
# Each by name, with the reason.
EXCEPTIONS = {
    "python-stdnum": "LGPL 2.1 or later: imported as it comes and replaceable by whoever runs Guilder, which is what it asks",
}


def refused(name: str) -> str | None:
    """Say what is wrong with the licence of a package, or None. One that is not installed here has no say here."""
    if name in EXCEPTIONS:
        return None
    try:
        said = metadata(name)
    except PackageNotFoundError:
        return None  # of another operating system
    classified = [each.rpartition(" :: ")[2] for each in said.get_all("Classifier") or [] if each.startswith("License")]
    return judged(said["License-Expression"] or "", classified, said["License"] or "")


def judged(expression: str, classified: list[str], text: str) -> str | None:
    """Judge by the SPDX expression, or else the classifiers, or else the words: one `OR` suffices, each `AND` counts."""
    if expression:
        choices = [re.split(r"\s+AND\s+", each.strip("() ")) for each in re.split(r"\s+OR\s+", expression)]
        is_allowed = any(all(each.strip("() ") in ALLOWED for each in choice) for choice in choices)
        return None if is_allowed else expression
    if classified:
        return None if set(classified) & ALLOWED else ", ".join(classified)
    return None if text.strip() in ALLOWED else text.strip().partition("\n")[0][:80] or "no licence is named"


def names(lock: str) -> list[str]:
    return re.findall(r"^([A-Za-z0-9_.-]+)==", lock, re.MULTILINE)


def main() -> int:
    wrong = {name: said for name in names(LOCK.read_text()) if (said := refused(name))}
    for name, said in wrong.items():
        print(f"{name}: {said}: not on the list of licences in {Path(__file__).name}")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
