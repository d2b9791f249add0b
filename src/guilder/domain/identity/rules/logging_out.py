"""Logout tokens: an issuer says, without anybody's browser, that somebody has signed out (OIDC Back-Channel Logout 1.0)."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from guilder.domain.identity.rules.revoking import NAME_MAX, Revocation

EVENT = "http://schemas.openid.net/event/backchannel-logout"
TYPES = frozenset({"jwt", "logout+jwt", "application/logout+jwt"})
TOLERANCE_S = 300
ID_MAX = 255


class NoLogout(ValueError):
    """This is no logout token of ours that counts now."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Logout:
    """`subject` is who signed out, where it says so, even if only one session of theirs is over."""

    id: str
    subject: str
    revocation: Revocation


def logout_of(claims: Mapping[str, Any], *, audiences: Collection[str], now: datetime) -> Logout:
    """Read the claims of a logout token whose signature was proven (section 2.6).

    :raises NoLogout: it is for somebody else, too old, or a token of another use
    """
    said = claims.get("aud")
    if not any(isinstance(each, str) and each in audiences for each in (said if isinstance(said, list) else [said])):
        raise NoLogout("audience")
    made, until = _seconds(claims.get("iat")), _seconds(claims.get("exp"))
    if abs(now.timestamp() - made) > TOLERANCE_S or until + TOLERANCE_S < now.timestamp():
        raise NoLogout("too old, or of the future")
    events = claims.get("events")
    if not isinstance(events, Mapping) or not isinstance(events.get(EVENT), Mapping):
        raise NoLogout("no logout event")
    # Whoever has an ID token of somebody's must not be able to sign them out with it.
    if "nonce" in claims:
        raise NoLogout("nonce")
    subject, session, id_ = (_text(claims.get(name), limit) for name, limit in _NAMES)
    if not id_ or not (subject or session):
        raise NoLogout("it names nobody")
    since = min(datetime.fromtimestamp(made, UTC) + timedelta(seconds=1), now + timedelta(seconds=1))
    # A session, where it names one, and not all that its user has open elsewhere.
    return Logout(
        id=id_,
        subject=subject,
        revocation=Revocation(
            issuer=str(claims.get("iss")), subject="" if session else subject, session=session, since=since
        ),
    )


_NAMES = (("sub", NAME_MAX), ("sid", NAME_MAX), ("jti", ID_MAX))


def _text(value: object, limit: int) -> str:
    return value if isinstance(value, str) and 0 < len(value) <= limit and "\x00" not in value else ""


def _seconds(value: object) -> int:
    if isinstance(value, bool) or not isinstance(value, int):
        raise NoLogout("no instant")
    return value
