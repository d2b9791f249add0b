"""Whose tokens count no more. docs/design/revocation.md has the table.

A revocation is about whoever it names: a user, a user in one organization, all of an organization, one session. It
is dated by the issuer's own clock, as tokens are, and a token from before it counts no more, or for less.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Any, NamedTuple

from guilder.domain.identity.model import Role

# What an issuer's clock may be ahead of ours; what it dates later than that is dated by our own.
LEEWAY = timedelta(seconds=60)
NAME_MAX = 500
_MILLISECONDS_BEGIN = 100_000_000_000
_RANKS = {Role.MEMBER: 0, Role.BILLING: 1, Role.ADMIN: 2}
assert set(_RANKS) == set(Role)

_SESSION_OVER = frozenset({"session.ended", "session.removed", "session.revoked"})


class What(StrEnum):
    ENDED = "ended"  # tokens from before count no more
    ROLE = "role"  # tokens from before count for no more than this role


@dataclass(frozen=True, slots=True, kw_only=True)
class Revocation:
    """What is empty means any."""

    issuer: str
    subject: str = ""
    organization: str = ""
    session: str = ""
    what: What = What.ENDED
    role: Role | None = None
    since: datetime


class Fate(NamedTuple):
    is_over: bool
    role_max: Role | None


class Unreadable(ValueError):
    """What an issuer told cannot be read."""


def fate(heard: Sequence[Revocation], *, issued_at: datetime | None) -> Fate:
    """Say what is left of a token that all of these are about. One that does not say when it was made is from before."""
    before = [each for each in heard if issued_at is None or issued_at < each.since]
    roles = [each.role for each in before if each.what is What.ROLE and each.role is not None]
    is_over = any(each.what is What.ENDED for each in before)
    return Fate(is_over, min(roles, key=_RANKS.__getitem__) if roles else None)


def capped(role: Role, most: Role | None) -> Role:
    return role if most is None else min(role, most, key=_RANKS.__getitem__)


def role_of(said: object) -> Role:
    """Read an issuer's word for a role; one that we do not know may read, and no more."""
    word = said.removeprefix("org:") if isinstance(said, str) else ""
    return Role(word) if word in {Role.ADMIN, Role.BILLING} else Role.MEMBER


def of_clerk(event: Mapping[str, Any], *, issuer: str, now: datetime) -> Revocation | None:
    """Read one of Clerk's events; None where nothing follows from it.

    :raises Unreadable: it says too little about what it is about
    """
    kind, data = event.get("type"), event.get("data")
    if not isinstance(kind, str) or not isinstance(data, Mapping):
        raise Unreadable("an event has a type and data")
    since = _since(event, data, now)
    if kind in {"organizationMembership.deleted", "organizationMembership.updated"}:
        subject = _name(data.get("public_user_data"), "user_id")
        organization = _name(data.get("organization"), "id")
        if kind.endswith("deleted"):
            return Revocation(issuer=issuer, subject=subject, organization=organization, since=since)
        role = role_of(data.get("role"))
        return Revocation(
            issuer=issuer, subject=subject, organization=organization, what=What.ROLE, role=role, since=since
        )
    if kind in _SESSION_OVER:
        return Revocation(issuer=issuer, session=_name(data, "id"), since=since)
    if kind == "user.deleted":
        return Revocation(issuer=issuer, subject=_name(data, "id"), since=since)
    if kind == "organization.deleted":
        return Revocation(issuer=issuer, organization=_name(data, "id"), since=since)
    return None


def _since(event: Mapping[str, Any], data: Mapping[str, Any], now: datetime) -> datetime:
    said = event.get("timestamp", data.get("updated_at"))
    if isinstance(said, bool) or not isinstance(said, int) or not 0 < said < 100 * _MILLISECONDS_BEGIN:
        return now
    # Clerk's are milliseconds; some of its examples show seconds.
    at = datetime.fromtimestamp(said / 1000 if said >= _MILLISECONDS_BEGIN else said, UTC)
    return at if at <= now + LEEWAY else now


def _name(data: object, field: str) -> str:
    value = data.get(field) if isinstance(data, Mapping) else None
    if not isinstance(value, str) or not 0 < len(value) <= NAME_MAX or "\x00" in value:
        raise Unreadable(f"it does not say {field}")
    return value
