"""When the person behind a token last proved who they are.

    auth_time   the instant itself (OpenID Connect)
    fva         Clerk's "factor verification age" when the token was made, in minutes, of the first and the second factor;
                -1 is none. Where there is a second one, it is what counts
    acr         how it was done: where the trust asks for some values, a token with another one proves nothing

An instant after the token was made is nobody's.
"""

import math
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

LEEWAY_S = 5


def verified_at(claims: Mapping[str, Any], *, acr_values: frozenset[str] = frozenset()) -> datetime | None:
    """Read verified claims; None where nobody knows."""
    made = _seconds(claims.get("iat"))
    if made is None or (acr_values and not _is_one_of(claims.get("acr"), acr_values)):
        return None
    at = _seconds(claims["auth_time"]) if "auth_time" in claims else _by_factor_age(claims.get("fva"), made)
    if at is None or not 0 <= at <= made + LEEWAY_S:
        return None
    return datetime.fromtimestamp(at, UTC)


def issued_at(claims: Mapping[str, Any]) -> datetime | None:
    """Read when a token was made; None where it does not say so in a way that can be."""
    made = _seconds(claims.get("iat"))
    try:
        return None if made is None else datetime.fromtimestamp(made, UTC)
    except (OverflowError, ValueError, OSError):
        return None


def _by_factor_age(fva: object, made: float) -> float | None:
    if not isinstance(fva, list) or len(fva) != 2 or not all(type(age) is int for age in fva):
        return None
    first, second = fva
    minutes = second if second >= 0 else first
    return made - 60 * minutes if minutes >= 0 else None


def _is_one_of(acr: object, wanted: frozenset[str]) -> bool:
    return isinstance(acr, str) and acr in wanted


def _seconds(value: object) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        return None
    return value
