"""Say where the tree holds what looks like somebody's secret: keys of providers, tokens, private keys, passwords in URLs.

Only shapes that are rarely anything else, over every file that git knows: half a second. What a test or a page shows on
purpose is in `EXPECTED`, by file and kind, or says of itself that it is none (`example`, `test`, too few letters to be one).
"""

import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[1]
KINDS = {
    "a private key": r"-----BEGIN (?:[A-Z]+ )*PRIVATE KEY-----\s+[A-Za-z0-9+/=]{16}",
    "a live key of a provider": r"\b(?:sk|rk)_live_[A-Za-z0-9]{16,}",
    "a test key of a provider": r"\b(?:sk|rk)_test_[A-Za-z0-9]{24,}",
    "an API key of ours": r"\bgk_(?:live|test|sandbox)_[0-9A-Za-z]{49}\b",
    "a webhook's secret": r"\bwhsec_[A-Za-z0-9+/]{32,}",
    "a key of AWS": r"\b(?:AKIA|ASIA)[0-9A-Z]{16}\b",
    "a token of a code host": r"\b(?:gh[pousr]_[A-Za-z0-9]{36}|github_pat_[A-Za-z0-9_]{50,}|glpat-[A-Za-z0-9_-]{20})\b",
    "a token of a package index": r"\b(?:pypi-AgE[A-Za-z0-9_-]{50,}|npm_[A-Za-z0-9]{36})\b",
    "a token of a chat": r"\bxox[abprs]-[A-Za-z0-9-]{20,}",
    "a key of a mail or SMS service": r"\bSG\.[\w-]{20,}\.[\w-]{30,}|\bSK[0-9a-f]{32}\b|\bkey-[0-9a-f]{32}\b",
    "a key of Google": r"\bAIza[0-9A-Za-z_-]{35}\b",
    "a signed token": r"\beyJ[A-Za-z0-9_-]{20,}\.eyJ[A-Za-z0-9_-]{20,}\.[A-Za-z0-9_-]{20,}",
    "a password in a URL": r"://[^\s/:@\"'{}$<]{1,60}:(?P<word>[^\s/@\"'{}$<]{6,80})@(?P<host>[\w.-]*)",
}
_HINTS = {
    "a private key": ("PRIVATE KEY",),
    "a live key of a provider": ("_live_",),
    "a test key of a provider": ("_test_",),
    "an API key of ours": ("gk_",),
    "a webhook's secret": ("whsec_",),
    "a key of AWS": ("AKIA", "ASIA"),
    "a token of a code host": ("ghp_", "gho_", "ghu_", "ghs_", "ghr_", "github_pat_", "glpat-"),
    "a token of a package index": ("pypi-", "npm_"),
    "a token of a chat": ("xox",),
    "a key of a mail or SMS service": ("SG.", "SK", "key-"),
    "a key of Google": ("AIza",),
    "a signed token": ("eyJ",),
    "a password in a URL": ("://",),
}
_SHAPES = {kind: re.compile(pattern) for kind, pattern in KINDS.items()}
# Nobody's: words of examples, and what the tests plant to see that it is found nowhere.
_PLAIN = re.compile(r"(?i)^(?:x+|\.+|secret|password|example\w*|guilder|postgres|changeme|hunter2?|canary\d?)$")
# Machines that are nobody's either: the names that are kept for examples.
_NOWHERE = re.compile(r"(?:^|\.)example(?:\.(?:com|net|org))?$|^localhost$|\.(?:invalid|test)$|^127\.")
# (file, kind): why it may stay.
EXPECTED = {
    ("docs/design/webhooks.md", "a webhook's secret"): "the worked example of the Standard Webhooks specification",
    ("tests/unit/webhooks/rules/test_signing.py", "a webhook's secret"): "the same, and the bytes from 0 to 31",
}
SIZE_MAX = 2_000_000


def found(text: str) -> Iterator[tuple[str, int]]:
    """Yield what a text holds, and in which line."""
    for kind, shape in _SHAPES.items():
        # A few letters that it cannot be without are looked for first: ten times faster.
        if not any(each in text for each in _HINTS[kind]):
            continue
        for match in shape.finditer(text):
            parts = match.groupdict()
            if not _PLAIN.match(parts.get("word", "")) and not _NOWHERE.search(parts.get("host", "")):
                yield kind, text.count("\n", 0, match.start()) + 1


def in_the_tree() -> Iterator[tuple[str, str, int]]:
    """Yield file, kind and line of everything that git knows or would take."""
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"],
        cwd=ROOT, capture_output=True, check=True,
    ).stdout.decode()  # fmt: skip
    for name in filter(None, listed.split("\0")):
        path = ROOT / name
        if path.is_file() and path.stat().st_size <= SIZE_MAX and path.suffix not in {".png", ".ttf", ".otf", ".ico"}:
            yield from ((name, kind, line) for kind, line in found(path.read_text("utf-8", errors="replace")))


def main() -> int:
    wrong = [each for each in in_the_tree() if each[:2] not in EXPECTED]
    for name, kind, line in wrong:
        print(f"{name}:{line}: looks like {kind}; if it is none, say why in {Path(__file__).name}")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
