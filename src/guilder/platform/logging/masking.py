"""What must never be read in a log, found by its name or by its looks.

A net under the rule that secrets are not logged, not a leave to log them.
"""

import re
from collections.abc import Mapping
from functools import lru_cache
from typing import Any, Final

from guilder.platform import cards

MASK: Final = "[masked]"
DEPTH_MAX = 8
ITEMS_MAX = 200
TEXT_MAX = 20_000
# Names, routes, tenants: the same words stand in every line. Those that nothing was masked in are looked at once.
CLEAN_MAX = 4_096
CLEAN_LENGTH = 100

# Names whose value is masked whole, whatever it looks like. `idempotency_key`, `key_id` and the like stay readable.
_SECRET_NAME = re.compile(
    r"""(?:^|[_-])(?:password|passwd|passphrase|secret|token|authorization|cookie|credential|credentials|jwt
    |api[_-]?key|master[_-]?key|private[_-]?key|jwt[_-]?key|secret[_-]?key|access[_-]?key|signature
    |card[_-]?number|pan|cvc|cvv|cvc2|cvv2|iban|account[_-]?number)s?$
    |^(?:set-)?cookie$|^x-api-key$|^stripe-signature$""",
    re.IGNORECASE | re.VERBOSE,
)

# Looks: our keys and Stripe's, webhook secrets, JWTs, PEM keys, credentials in headers and URLs. What the group `kept`
# matched stays, so that a reader sees what was masked.
_SECRET_LOOKS = tuple(
    re.compile(pattern, re.DOTALL)
    for pattern in (
        r"-----BEGIN [A-Z ]*PRIVATE KEY-----.*?(?:-----END [A-Z ]*PRIVATE KEY-----|\Z)",
        r"(?<![A-Za-z0-9])(?P<kept>(?:sk|rk|pk|gk)_(?:live|test|sandbox)_|whsec_|gk_)[A-Za-z0-9_\-+/=]{6,}",
        r"(?<![A-Za-z0-9_-])eyJ[A-Za-z0-9_-]{5,}\.[A-Za-z0-9_-]{2,}(?:\.[A-Za-z0-9_-]*)*",
        r"(?i)\b(?P<kept>(?:bearer|basic)\s+)[A-Za-z0-9._~+/=-]{6,}",
        r"(?i)\b(?P<kept>authorization[\"']?\s*[:=]\s*[\"']?)(?!bearer\b|basic\b)[^\s\"',;]+",
        r"(?<![a-zA-Z0-9+.-])(?P<kept>[a-zA-Z][a-zA-Z0-9+.-]{0,20}://[^\s/:@]{0,200}:)[^\s/]{1,500}(?=@)",
        r"(?i)(?P<kept>(?:password|passwd|secret|token|api[_-]?key|signature|cvc|cvv)\s?=\s?)[^\s&\"',;)]+",
        (
            r"(?i)(?P<kept>(?:password|passwd|secret|token|api[_-]?key|signature|cvc|cvv|authorization)[\"']\s?[=:]\s?)"
            r"(?:\"[^\"]*\"|'[^']*')"
        ),
    )
)

_CLEAN: set[str] = set()


def mask(value: Any, *, depth: int = 0) -> Any:
    """Return `value` with what looks secret masked, however deep, as plain dictionaries, lists and texts."""
    if type(value) is str and depth < DEPTH_MAX:
        return mask_text(value)
    if value is None or isinstance(value, bool | float):
        return value
    if isinstance(value, int):
        return MASK if cards.looks_like_card(str(value)) else value
    if depth >= DEPTH_MAX:
        return "[too deep]"
    if isinstance(value, Mapping):
        return {
            mask_text(str(name)): MASK if is_secret_name(str(name)) and each else mask(each, depth=depth + 1)
            for name, each in list(value.items())[:ITEMS_MAX]
        }
    if isinstance(value, list | tuple | set | frozenset):
        return [mask(each, depth=depth + 1) for each in list(value)[:ITEMS_MAX]]
    if isinstance(value, bytes | bytearray | memoryview):
        return f"[{len(value)} bytes]"
    return mask_text(str(value))


def mask_text(text: str) -> str:
    """Mask what looks secret within a text; a text beyond 20,000 characters is cut."""
    if text in _CLEAN:
        return text
    masked = _masked(text)
    if len(text) <= CLEAN_LENGTH and masked == text:
        if len(_CLEAN) >= CLEAN_MAX:
            _CLEAN.clear()
        _CLEAN.add(text)
    return masked


def _masked(text: str) -> str:
    text = text if len(text) <= TEXT_MAX else text[:TEXT_MAX] + "[cut]"
    for looks in _SECRET_LOOKS:
        text = looks.sub(_without_secret, text)
    return _without_card_numbers(text)


@lru_cache(CLEAN_MAX)
def is_secret_name(name: str) -> bool:
    return _SECRET_NAME.search(name) is not None


def _without_secret(found: re.Match[str]) -> str:
    # A function: a replacement in a text is read anew each time, which costs more than the search.
    return found.groupdict().get("kept", "") + MASK


def _without_card_numbers(text: str) -> str:
    parts, done = [], 0
    for start, end in cards.spans(text):
        parts += [text[done:start], MASK]
        done = end
    return "".join((*parts, text[done:]))
